"""tus 1.0: what concerns every request on resumable uploads, and its headers."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http import problems
from models_store.errors import (
    UploadChecksumError,
    UploadMediaTypeError,
    UploadProtocolError,
    UploadVersionError,
)

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination,concatenation"
MEDIA_TYPE = "application/offset+octet-stream"
PATH = "/v1/uploads"
REQUEST_HEADERS = (
    *("Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Checksum"),
    *("Upload-Concat", "Upload-Defer-Length", "X-HTTP-Method-Override"),
)
RESPONSE_HEADERS = (
    *("Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
    *("Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Expires", "Upload-Concat"),
    "ClearScope-Image",
)
"""Headers that pages of other origins may send, and read."""
_METHODS = frozenset({"HEAD", "PATCH", "DELETE"})

_ALGORITHMS: dict[str, Callable[[], Any]] = {
    "sha1": partial(hashlib.sha1, usedforsecurity=False),
    "sha256": hashlib.sha256,
}
CHECKSUM_ALGORITHMS = ",".join(_ALGORITHMS)
_UPLOAD_PATH = re.compile(rf"(?:https?://[^/]+)?(?:/[^ ]*)?{PATH}/(upl_[0-9a-f]{{32}})/?")


def is_upload_path(path: str) -> bool:
    return path == PATH or path.startswith(f"{PATH}/")


class TusProtocol:
    """ASGI middleware: check the version of the protocol, and name it in every answer.

    A POST may stand for another method (X-HTTP-Method-Override), for clients that know only GET and POST.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_upload_path(scope["path"]):
            await self._app(scope, receive, send)
            return

        async def send_with_version(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Tus-Resumable"] = VERSION
            await send(message)

        headers = Headers(scope=scope)
        if scope["method"] == "POST" and (override := headers.get("x-http-method-override")):
            scope = {**scope, "method": override.upper()}
        version = headers.get("tus-resumable")
        methods = {"POST"} if scope["path"] == PATH else _METHODS
        if scope["method"] in methods and version != VERSION:
            told = "is missing" if version is None else f"is {version!r}"
            refusal = problems.error_response(
                UploadVersionError(f"the header Tus-Resumable {told}; this server speaks tus {VERSION}")
            )
            refusal.headers["Tus-Version"] = VERSION
            await refusal(scope, receive, send_with_version)
            return
        await self._app(scope, receive, send_with_version)


@dataclass
class Checksum:
    """A client's digest of one request's body, and the digest of what has arrived."""

    expected: bytes
    digest: Any = field(repr=False)

    @classmethod
    def parse(cls, header: str | None) -> Self | None:
        """Read the header Upload-Checksum; None without one. Raises UploadProtocolError."""
        if header is None:
            return None
        algorithm, _, encoded = header.partition(" ")
        if algorithm not in _ALGORITHMS:
            raise UploadProtocolError(
                f"Upload-Checksum: {algorithm[:40]!r} is none of the algorithms {CHECKSUM_ALGORITHMS}"
            )
        try:
            expected = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise UploadProtocolError("Upload-Checksum: the checksum is not in base64") from error
        return cls(expected, _ALGORITHMS[algorithm]())

    def require_equal(self) -> None:
        """Raise UploadChecksumError unless the bytes that have arrived are those that were sent."""
        if not hmac.compare_digest(self.digest.digest(), self.expected):
            raise UploadChecksumError(
                "the bytes that arrived do not have the checksum of Upload-Checksum and are discarded; "
                "send them again"
            )


def require_media_type(content_type: str | None) -> None:
    if (content_type or "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise UploadMediaTypeError(f"send bytes with Content-Type: {MEDIA_TYPE}")


def parse_concat(header: str) -> list[str] | None:
    """Read the header Upload-Concat: the ids of the parts of a final upload; None: this is a part.

    Raises UploadProtocolError.
    """
    if header.strip() == "partial":
        return None
    kind, _, urls = header.partition(";")
    matches = [_UPLOAD_PATH.fullmatch(url) for url in urls.split()]
    ids = [match[1] for match in matches if match is not None]
    if kind.strip() != "final" or not ids or len(ids) != len(matches):
        raise UploadProtocolError(
            f"Upload-Concat must be `partial`, or `final;` and the addresses of uploads ({PATH}/upl_...), "
            "separated by spaces"
        )
    return ids


def required_length(upload_length: int | None, upload_defer_length: str | None) -> int:
    """Return the header Upload-Length. Raises UploadProtocolError if it is missing."""
    if upload_length is None:
        deferred = "; its length cannot be told later" if upload_defer_length is not None else ""
        raise UploadProtocolError(f"Upload-Length: tell the size of the file in bytes{deferred}")
    return upload_length
