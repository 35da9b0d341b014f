"""Downloads, which go on where they were broken off, and are checked against their digests."""

import hashlib
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from clearscope_client.documents import Artifact
from clearscope_client.errors import DownloadDamagedError, FileUnwritableError
from clearscope_client.retrying import Conduct, Patience
from clearscope_client.steps import Answer, Conversation, Request, send, work

_CHUNK_BYTES = 1024**2


def read_artifact(conduct: Conduct, artifact: Artifact) -> Conversation[bytes]:
    """Download a result file into memory."""
    content = io.BytesIO()
    yield from _receive(conduct, artifact.href, content, artifact.sha256)
    return content.getvalue()


def save_artifact(conduct: Conduct, artifact: Artifact, target: Path) -> Conversation[Path]:
    """Download a result file to `target`, which is written completely or not at all."""
    with _appearing_whole(target) as file:
        yield from _receive(conduct, artifact.href, file, artifact.sha256)
    return target


def read(conduct: Conduct, path: str) -> Conversation[bytes]:
    """Download what is at a path of the server."""
    content = io.BytesIO()
    yield from _receive(conduct, path, content, None)
    return content.getvalue()


def _receive(conduct: Conduct, path: str, file: BinaryIO, sha256: str | None) -> Conversation[None]:
    patience = Patience(conduct)
    received = _Received(file)
    while True:
        before_bytes = received.size_bytes
        # If-Range is not needed: what is at these paths never changes, and the digest tells if it did.
        headers = {"Range": f"bytes={before_bytes}-"} if before_bytes else {}
        outcome = yield from send(Request("GET", path, headers=headers, receiver=received))
        conduct.has_answered |= isinstance(outcome, Answer)
        if isinstance(outcome, Answer) and outcome.is_success:
            patience.succeeded()
            break
        if received.size_bytes > before_bytes:
            patience.progressed()
        if _has_all(outcome, before_bytes):
            break
        yield from patience.bear(outcome)
    found = yield from work(received.digest)
    if sha256 is not None and found != sha256:
        raise DownloadDamagedError(f"{path} has the SHA-256 {found}, not {sha256} as the server told")


def _has_all(outcome: object, received_bytes: int) -> bool:
    """Return whether nothing was left to send when the connection broke."""
    return (
        isinstance(outcome, Answer)
        and outcome.http_status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        and received_bytes > 0
    )


class _Received:
    """Receiver that writes to a file, at the place where the answer begins."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size_bytes = 0

    def begin(self, http_status: int) -> None:
        if http_status != HTTPStatus.PARTIAL_CONTENT:
            self._file.seek(0)
            self._file.truncate()
            self.size_bytes = 0

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self.size_bytes += len(chunk)

    def digest(self) -> str:
        digest = hashlib.sha256()
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK_BYTES):
            digest.update(chunk)
        return digest.hexdigest()


@contextmanager
def _appearing_whole(target: Path) -> Iterator[BinaryIO]:
    """Open a file that appears at `target` when the block ends without an error.

    Raises FileUnwritableError if it cannot be written.
    """
    unfinished = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb+") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except OSError as error:
        raise FileUnwritableError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
