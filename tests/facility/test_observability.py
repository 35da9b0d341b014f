"""What server and worker tell of two jobs: logs, metrics and traces."""

import re
from pathlib import Path

import pytest
import yaml

from tests.support.observed_facility import SECRET, Document, ObservedFacility, Span, log_lines, value
from tests.support.services import Redis

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations.md"
ID = re.compile(r"(img|job|art|key|net|nm)_[0-9a-f]{8}")


@pytest.fixture(scope="module")
def observed_facility(
    tmp_path_factory: pytest.TempPathFactory, redis_service: Redis, noisy_tiff: Path
) -> ObservedFacility:
    """Logs, metrics and traces of one job that succeeded and one that failed."""
    return ObservedFacility(tmp_path_factory.mktemp("facility"), redis_service.url, noisy_tiff)


def access_lines(facility: ObservedFacility) -> list[Document]:
    return [
        line for line in log_lines(facility.server_log) if line["logger"] == "app.observability.request_log"
    ]


def test_every_line_is_an_object_with_time_level_and_message(observed_facility: ObservedFacility) -> None:
    for log in (observed_facility.server_log, observed_facility.worker_log):
        lines = log_lines(log)
        assert lines
        for line in lines:
            assert {"time", "level", "logger", "message"} <= line.keys()
            assert not line["logger"].startswith("uvicorn.access")


def test_a_request_is_logged_once_with_its_id_and_route(observed_facility: ObservedFacility) -> None:
    lines = [line for line in access_lines(observed_facility) if line["request_id"] == "good-job"]
    assert len(lines) == 1
    (line,) = lines
    assert (line["method"], line["route"], line["status"]) == ("POST", "/v1/jobs", 202)
    assert line["duration_ms"] > 0
    assert line["received_bytes"] > 0
    assert line["sent_bytes"] > 0
    assert len(line["trace_id"]) == 32


def test_health_checks_are_not_logged(observed_facility: ObservedFacility) -> None:
    paths = {line["path"] for line in access_lines(observed_facility)}
    assert "/v1/jobs" in paths
    assert "/healthz" not in paths


def test_lines_of_an_attempt_name_job_attempt_and_worker(observed_facility: ObservedFacility) -> None:
    job_id = observed_facility.stage("n2v")
    lines = [line for line in log_lines(observed_facility.worker_log) if line.get("job_id") == job_id]
    assert lines
    for line in lines:
        assert (line["attempt"], line["kind"]) == (1, "train")
        assert line["worker"].startswith("gpu+cpu@")
        assert len(line["trace_id"]) == 32
    assert [line["outcome"] for line in lines if "outcome" in line] == ["succeeded"]


def test_no_log_contains_a_secret(observed_facility: ObservedFacility) -> None:
    for log in (observed_facility.server_log, observed_facility.worker_log):
        assert SECRET not in log.read_text("utf-8")


def test_requests_are_counted_by_method_route_and_status(observed_facility: ObservedFacility) -> None:
    found = observed_facility.server_metrics
    name = "clearscope_http_request_duration_seconds_count"
    assert value(found, name, method="POST", route="/v1/images", status="201") == 2
    assert value(found, name, method="POST", route="/v1/jobs", status="202") == 2
    assert value(found, name, method="GET", route="/v1/jobs/{job_id}", status="200") >= 2


def test_bytes_of_requests_and_responses_are_counted(
    observed_facility: ObservedFacility, noisy_tiff: Path
) -> None:
    found = observed_facility.server_metrics
    uploaded = 2 * noisy_tiff.stat().st_size
    assert value(found, "clearscope_http_received_bytes_total", route="/v1/images") == uploaded
    assert value(found, "clearscope_http_sent_bytes_total", route="/v1/jobs") > 0


def test_no_label_contains_an_id(observed_facility: ObservedFacility) -> None:
    for found in (observed_facility.server_metrics, observed_facility.worker_metrics):
        values = {
            each for family in found.values() for sample in family.samples for each in sample.labels.values()
        }
        assert not [each for each in values if ID.search(each)]


def test_jobs_are_counted_by_kind_and_state(observed_facility: ObservedFacility) -> None:
    found = observed_facility.server_metrics
    assert value(found, "clearscope_jobs", kind="denoise", state="succeeded") == 1
    assert value(found, "clearscope_jobs", kind="train", state="succeeded") == 3
    assert value(found, "clearscope_jobs", kind="train", state="failed") == 1


def test_the_server_reports_remote_workers(observed_facility: ObservedFacility) -> None:
    found = observed_facility.server_metrics
    assert value(found, "clearscope_workers", queue="gpu") == 1
    assert value(found, "clearscope_workers", queue="cpu") == 1
    assert value(found, "clearscope_worker_device_healthy") == 1


def test_a_worker_reports_its_attempts(observed_facility: ObservedFacility, noisy_tiff: Path) -> None:
    found = observed_facility.worker_metrics
    name = "clearscope_job_attempt_duration_seconds"
    for kind, stage, outcome in (
        ("train", "n2v", "succeeded"),
        ("bootstrap_noise_model", "noise_model", "succeeded"),
        ("train", "pn2v", "succeeded"),
        ("train", "distil", "succeeded"),
        ("predict", "predict", "succeeded"),
        ("train", "train", "failed"),
    ):
        labels = {"kind": kind, "stage": stage, "outcome": outcome}
        assert value(found, f"{name}_count", **labels) == 1
        assert value(found, f"{name}_sum", **labels) > 0
    assert value(found, "clearscope_job_failures_total", kind="train", code="not-found") == 1
    assert value(found, "clearscope_job_attempts_in_progress") == 0
    assert value(found, "clearscope_job_read_bytes_total", kind="train") >= noisy_tiff.stat().st_size
    assert value(found, "clearscope_job_written_bytes_total", kind="train") > 0
    assert value(found, "process_resident_memory_bytes") > 0


def test_the_documentation_lists_every_metric_and_no_other(observed_facility: ObservedFacility) -> None:
    exposed = {*observed_facility.server_metrics, *observed_facility.worker_metrics}
    documented = set(re.findall(r"^\| `([a-z_]+)`", OPERATIONS.read_text("utf-8"), re.MULTILINE))
    names = {
        re.sub(r"_total$", "", name) for name in documented if name.startswith(("clearscope_", "process_"))
    }
    assert names == exposed


def test_alerts_and_scaling_look_at_metrics_that_exist(observed_facility: ObservedFacility) -> None:
    told = {
        name
        for found in (observed_facility.server_metrics, observed_facility.worker_metrics)
        for family in found.values()
        for name in (family.name, *(sample.name for sample in family.samples))
    }
    expressions = [
        rule["expr"]
        for group in yaml.safe_load((ROOT / "docker" / "alerts.yml").read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]
    scaling = yaml.safe_load((ROOT / "docker" / "kubernetes" / "keda.yaml").read_text("utf-8"))
    expressions += [trigger["metadata"]["query"] for trigger in scaling["spec"]["triggers"]]
    used = {name for expression in expressions for name in re.findall(r"clearscope_\w+", expression)}
    assert len(used) > 5
    assert used <= told


def only(spans: list[Span], name: str, **attributes: str | int) -> Span:
    wanted = {f"clearscope.{key}": value for key, value in attributes.items()}
    found = [span for span in spans if span.name == name and wanted.items() <= span.attributes.items()]
    assert len(found) == 1, (name, attributes, spans)
    return found[0]


def test_one_trace_goes_from_the_request_through_the_broker_to_the_work(
    observed_facility: ObservedFacility,
) -> None:
    spans = observed_facility.spans
    networks = dict.fromkeys(["n2v", "pn2v", "distil"], "train")
    stages = networks | {"noise_model": "bootstrap_noise_model", "predict": "predict"}
    for stage, kind in stages.items():
        attempt = only(spans, f"attempt {kind}", job_id=observed_facility.stage(stage), stage=stage)
        request = next(span for span in spans if span.id == attempt.parent_id)
        assert (request.service, request.name) == ("clearscope", "POST /v1/jobs")
        assert attempt.service == "clearscope-worker"
        assert attempt.attributes["clearscope.outcome"] == "succeeded"
        computing = only([span for span in spans if span.parent_id == attempt.id], f"compute {kind}")
        within = [span for span in spans if span.parent_id == computing.id]
        assert "read blob" in {span.name for span in within}
        assert {request.trace_id} == {span.trace_id for span in (attempt, computing, *within)}


def test_an_attempt_that_fails_says_so(observed_facility: ObservedFacility) -> None:
    attempt = only(observed_facility.spans, "attempt train", job_id=observed_facility.failed_job["id"])
    assert attempt.attributes["clearscope.outcome"] == "failed"


def test_health_checks_and_scrapes_are_not_traced(observed_facility: ObservedFacility) -> None:
    names = {span.name for span in observed_facility.spans}
    assert "GET /v1/jobs" in names
    assert not [name for name in names if "healthz" in name or "/metrics" in name]


def test_no_span_contains_a_secret_from_a_query(observed_facility: ObservedFacility) -> None:
    listing = [span for span in observed_facility.spans if span.name == "GET /v1/jobs"]
    assert listing
    assert not [span for span in listing if "hunter2" in str(span.attributes)]
