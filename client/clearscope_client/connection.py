"""What both drivers share: the address, the key, headers and time limits, and requests as httpx2 has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import httpx2

from clearscope_client.steps import Answer, Request

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class TimeLimits:
    """Longest waits for a connection, for a part of an answer, and for a part of a request to be taken."""

    connect_s: float = 10.0
    read_s: float = 60.0
    write_s: float = 120.0


def http_options(url: str, key: str | None, limits: TimeLimits) -> dict[str, Any]:
    """Return the arguments of httpx2's clients."""
    return {
        "base_url": url,
        "headers": {
            "User-Agent": f"clearscope-client/{version('clearscope-client')}",
            **({"Authorization": f"Bearer {key}"} if key else {}),
        },
        "timeout": httpx2.Timeout(limits.read_s, connect=limits.connect_s, write=limits.write_s, pool=None),
        # Proxies from the environment are meant for remote hosts, not for loopback.
        "trust_env": urlsplit(url).hostname not in _LOOPBACK,
    }


def request_options(request: Request, limits: TimeLimits) -> dict[str, Any]:
    """Return the arguments of a request, but for its body."""
    headers = dict(request.headers)
    if request.body is not None:
        headers.setdefault("Content-Type", "application/octet-stream")
        if request.body.size_bytes is not None:
            headers["Content-Length"] = str(request.body.size_bytes)
    options: dict[str, Any] = {"params": dict(request.query), "headers": headers}
    if request.json is not None:
        options["json"] = request.json
    if request.answer_timeout_s is not None:
        options["timeout"] = httpx2.Timeout(
            request.answer_timeout_s, connect=limits.connect_s, write=limits.write_s, pool=None
        )
    return options


def answer_of(http_status: int, headers: Mapping[str, str], content: bytes) -> Answer:
    return Answer(http_status, {name.lower(): value for name, value in headers.items()}, content)


def reason_of(error: httpx2.TransportError) -> str:
    """Return why there was no answer; some of these errors have no text."""
    return str(error) or type(error).__name__
