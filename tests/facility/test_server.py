"""Behaviour of a real server process: address, keys, logs, webhooks, cancelling."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.commands import clearscope
from tests.support.keyed_server import client, make_key
from tests.support.observed_facility import metrics, value
from tests.support.posted_jobs import LONG, ended, post, upload, wait_for, wait_until
from tests.support.server_process import ServerProcess
from tests.support.webhook_receiver import Receiver

ENDS_WITHIN_S = 2.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Server with a key, which may therefore listen on all addresses."""
    server = ServerProcess(
        tmp_path_factory.mktemp("server") / "data",
        host="0.0.0.0",  # noqa: S104  # this is what the test is about
        webhook_secret=base64.b64encode(bytes(32)).decode(),
        webhook_allowed_networks="127.0.0.0/8",
        sweep_interval_s="0.2",
    )
    make_key(server, "first")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def key(server: ServerProcess) -> str:
    return make_key(server, "submitter")


@pytest.fixture(scope="module")
def api(server: ServerProcess, key: str) -> Iterator[httpx.Client]:
    with client(server, key) as api:
        yield api


def test_a_server_with_keys_may_listen_on_all_addresses(server: ServerProcess) -> None:
    with client(server) as stranger:
        answer = stranger.get("/v1/jobs", headers={"Host": "clearscope.example.org"})
    assert answer.status_code == 401


def test_a_server_with_an_embedded_worker_reports_metrics_of_both(api: httpx.Client) -> None:
    found = metrics(api.get("/metrics").text)
    assert value(found, "clearscope_job_attempts_in_progress") == 0
    assert value(found, "clearscope_http_requests_in_progress") == 1
    assert "clearscope_job_attempt_duration_seconds" in found


def test_the_command_sends_its_key(
    server: ServerProcess, api: httpx.Client, key: str, noisy_tiff: Path
) -> None:
    arguments = ("submit", noisy_tiff, "--server", server.url)
    assert "API key" in clearscope(*arguments, code=1)
    output = clearscope(*arguments, "--key", key)
    assert api.post(f"/v1/jobs/{output.split()[1]}/cancel").status_code == 200
    assert key.rpartition("_")[2] not in server.log.read_text("utf-8")


def test_cancelling_ends_the_computation_and_calls_the_webhook(
    server: ServerProcess, api: httpx.Client, noisy_tiff: Path
) -> None:
    with Receiver().running() as receiver:
        spec = {"kind": "denoise", "image_ids": [upload(api, noisy_tiff)], "budget": LONG}
        job = post(api, **spec, webhook_url=receiver.url)
        wait_until(api, job["id"], lambda job: job["stages"][0]["progress"] > 0)
        assert server.computing_processes()
        assert ended(api.post(f"/v1/jobs/{job['id']}/cancel").json())
        deadline_s = time.monotonic() + ENDS_WITHIN_S
        while server.computing_processes() and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert not server.computing_processes()
        wait_for(lambda: receiver.deliveries, "the server's sweeper calls whom the job named")
