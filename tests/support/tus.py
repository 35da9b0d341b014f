"""Requests of the tus protocol."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx

BYTES = "application/offset+octet-stream"


def metadata(**told: str) -> str:
    return ",".join(f"{name} {base64.b64encode(text.encode()).decode()}" for name, text in told.items())


def create(api: httpx.Client, length_bytes: int, **headers: str) -> httpx.Response:
    """Begin an upload; by default of a file named cells.tif."""
    told = {"Upload-Metadata": metadata(filename="cells.tif"), "Upload-Length": str(length_bytes)}
    return api.post("/v1/uploads", headers={"Tus-Resumable": "1.0.0", **told, **_header_names(headers)})


def append(
    api: httpx.Client, href: str, content: bytes | Iterator[bytes], offset: int, **headers: str
) -> httpx.Response:
    told = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset), "Content-Type": BYTES}
    return api.patch(href, content=content, headers={**told, **_header_names(headers)})


def state(api: httpx.Client, href: str) -> httpx.Response:
    return api.head(href, headers={"Tus-Resumable": "1.0.0"})


def end(api: httpx.Client, href: str) -> httpx.Response:
    return api.delete(href, headers={"Tus-Resumable": "1.0.0"})


def document(api: httpx.Client, href: str) -> Any:
    return api.get(href).raise_for_status().json()


def _header_names(headers: dict[str, str]) -> dict[str, str]:
    """Return headers by their names: `upload_concat` is `Upload-Concat`."""
    return {name.replace("_", "-").title(): value for name, value in headers.items()}
