"""Checks of HTTP answers."""

import time
from typing import Any

import httpx

PATIENCE_S = 60.0


def problem(answer: httpx.Response, status: int, code: str) -> str:
    """Check that an answer is this problem; return its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"urn:clearscope:problem:{code}"
    assert document["status"] == status
    assert document["detail"]
    return str(document["detail"])


def wait_for_status(api: httpx.Client, path: str, status: int) -> httpx.Response:
    """Repeat a request until it has this status; the server caches API keys for a moment."""
    deadline_s = time.monotonic() + PATIENCE_S
    while (answer := api.get(path)).status_code != status:
        assert time.monotonic() < deadline_s, f"{path}: {answer.status_code} {answer.text}"
        time.sleep(0.05)
    return answer
