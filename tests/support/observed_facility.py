"""Server and worker processes whose logs, metrics and traces are recorded."""

import gzip
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from demo.server import free_port
from tests.support.posted_jobs import TINY, ended, upload, wait_until
from tests.support.server_process import CLEARSCOPE, ServerProcess, server_without_worker

PATIENCE_S = 240.0
SECRET = "hunter2secret"  # noqa: S105  # not a real password; no log may contain it

Document = dict[str, Any]


class Span:
    """Span as received by a collector."""

    def __init__(self, service: str, received: Any) -> None:
        self.service = service
        self.name: str = received.name
        self.trace_id: str = received.trace_id.hex()
        self.id: str = received.span_id.hex()
        self.parent_id: str = received.parent_span_id.hex()
        self.attributes = {
            each.key: each.value.string_value or each.value.int_value for each in received.attributes
        }

    def __repr__(self) -> str:
        return f"{self.service}: {self.name} {self.id} of {self.parent_id}"


class SpanReceiver:
    """Trace collector: OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.take(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, body: bytes) -> None:
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            attributes = {each.key: each.value.string_value for each in resource_spans.resource.attributes}
            for scope in resource_spans.scope_spans:
                self.spans.extend(Span(attributes["service.name"], span) for span in scope.spans)

    @contextmanager
    def listening(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class WorkerProcess:
    """`clearscope worker` for both queues."""

    def __init__(self, log: Path, environment: dict[str, str]) -> None:
        self.metrics_url = f"http://127.0.0.1:{free_port()}/metrics"
        self.log = log
        port = self.metrics_url.rpartition(":")[2].removesuffix("/metrics")
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [CLEARSCOPE, "worker", "--queue", "gpu", "--queue", "cpu", "--metrics-port", port],
                env=environment,
                # Celery's goodbye message; logs go to stderr.
                stdout=subprocess.DEVNULL,
                stderr=file,
            )

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)


def metrics(text: str) -> dict[str, Metric]:
    """Parse Prometheus' text format into metrics by name."""
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(found: dict[str, Metric], sample_name: str, **labels: str) -> float:
    """Return the sum of all samples with this name and these labels."""
    samples = (sample for family in found.values() for sample in family.samples)
    return sum(
        sample.value
        for sample in samples
        if sample.name == sample_name and labels.items() <= sample.labels.items()
    )


def log_lines(path: Path) -> list[Document]:
    """Parse a log; every line must be JSON."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


class ObservedFacility:
    """Logs, metrics and spans of one job that succeeded and one that failed."""

    def __init__(self, folder: Path, broker_url: str, image: Path) -> None:
        collector = SpanReceiver()
        self.data_dir = folder / "data"
        server = server_without_worker(
            self.data_dir, broker_url, otlp_endpoint=collector.url, log_format="json"
        )
        environment = server._environment | {"CLEARSCOPE_DATA_DIR": str(self.data_dir)}
        with collector.listening():
            server.start()
            worker = WorkerProcess(folder / "worker.log", environment)
            try:
                self._run_jobs(server, image)
                self.server_metrics = metrics(httpx.get(f"{server.url}/metrics").text)
                self.worker_metrics = metrics(httpx.get(worker.metrics_url).text)
            finally:
                worker.stop()
                server.stop()
        self.spans = collector.spans
        self.server_log, self.worker_log = server.log, worker.log

    def stage(self, name: str) -> str:
        """Return the id of a stage of the job that succeeded."""
        (job_id,) = (stage["id"] for stage in self.job["stages"] if stage["stage"] == name)
        return str(job_id)

    def _run_jobs(self, server: ServerProcess, image: Path) -> None:
        with httpx.Client(base_url=server.url, timeout=60) as api:
            good, broken = upload(api, image), upload(api, image)
            (self.data_dir / "blobs" / "images" / broken / "content").unlink()
            spec = {"kind": "denoise", "budget": TINY}
            failing_spec = {"kind": "train", "method": "n2v", "budget": TINY}
            api.get("/v1/jobs", params={"token": SECRET}, headers={"Authorization": f"Bearer {SECRET}"})
            headers = {"X-Request-ID": "good-job"}
            posted = api.post("/v1/jobs", json=spec | {"image_ids": [good]}, headers=headers)
            assert posted.status_code == 202, posted.text
            failing = api.post("/v1/jobs", json=failing_spec | {"image_ids": [broken]})
            self.job = wait_until(api, posted.json()["id"], ended)
            self.failed_job = wait_until(api, failing.json()["id"], ended)
