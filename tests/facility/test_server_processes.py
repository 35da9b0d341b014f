"""Several server processes behind one port."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.posted_jobs import wait_for
from tests.support.server_process import CLEARSCOPE, ServerProcess, server_without_worker
from tests.support.services import Postgres, Redis

PROCESSES = 2


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, postgres_service: Postgres, redis_service: Redis
) -> Iterator[ServerProcess]:
    database_url = postgres_service.create_database("processes")
    process = server_without_worker(
        tmp_path_factory.mktemp("processes") / "data",
        redis_service.url,
        database_url=database_url,
        server_processes=str(PROCESSES),
    )
    process.start()
    yield process
    process.stop()


def test_metrics_cover_all_processes_whichever_answers(server: ServerProcess, noisy_tiff: Path) -> None:
    for number in range(12):
        # Each request has a separate connection, which any of the processes may accept.
        answer = httpx.post(
            f"{server.url}/v1/images", params={"filename": f"{number}.tif"}, content=noisy_tiff.read_bytes()
        )
        assert answer.status_code == 201
    for _ in range(6):
        figures = httpx.get(f"{server.url}/metrics").text
        [counted] = re.findall(
            r'clearscope_http_request_duration_seconds_count\{.*route="/v1/images",status="201"\} (\S+)',
            figures,
        )
        assert float(counted) == 12
        assert "clearscope_database_up 1.0" in figures


def answering(server: ServerProcess) -> list[psutil.Process]:
    """Return the processes of a server that answer requests and live."""
    children = psutil.Process(server.pid).children()
    return [
        child
        for child in children
        if child.status() != psutil.STATUS_ZOMBIE and "spawn_main" in str(child.cmdline())
    ]


def test_a_dead_process_is_restarted_and_all_end_with_the_server(server: ServerProcess) -> None:
    assert server.pid is not None
    before = answering(server)
    assert len(before) == PROCESSES
    before[0].kill()
    wait_for(lambda: len(answering(server)) == PROCESSES, "the dead process is restarted")
    assert httpx.get(f"{server.url}/readyz").status_code in {200, 503}
    after = answering(server)
    assert len({*before, *after}) == PROCESSES + 1
    server.stop()
    _, alive = psutil.wait_procs(after, timeout=30)
    assert not alive
    socket.create_server(("127.0.0.1", server.port)).close()


def test_a_server_with_an_embedded_worker_is_one_process(tmp_path: Path) -> None:
    refused = subprocess.run(
        [CLEARSCOPE, "serve", "--processes", "2", "--data-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "CLEARSCOPE_BROKER_URL" in refused.stderr
