"""Requests to a server whose database, blob store or disk fails, and what it answers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.support.server_process import ServerProcess

PATIENCE_S = 120.0

SPEC = {
    "kind": "train",
    "method": "n2v",
    "preset": "fast",
    "budget": {"steps": 4, "features": 4, "samples": 8},
}


@contextmanager
def serving(server: ServerProcess) -> Iterator[httpx.Client]:
    server.start()
    try:
        with httpx.Client(base_url=server.url, timeout=PATIENCE_S, trust_env=False) as api:
            yield api
    finally:
        server.stop()


def upload(api: httpx.Client, content: bytes, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return api.post("/v1/images?filename=a.tif", content=content, headers=headers)


def assert_outage(response: httpx.Response, code: str = "unavailable", status: int = 503) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == f"urn:clearscope:problem:{code}"
    assert int(response.headers["retry-after"]) > 0


def wait_until(reached: Callable[[], Any]) -> Any:
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := reached()):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    return found


def succeeded(api: httpx.Client, path: str) -> Callable[[], bool]:
    return lambda: api.get(path).is_success
