"""Resumable uploads by tus 1.0: a file is sent in parts, and goes on where it was broken off."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import urlsplit

from clearscope_client.begun_uploads import BegunUpload
from clearscope_client.errors import (
    ClientError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    ServerRefusedError,
    UnexpectedAnswerError,
)
from clearscope_client.retrying import TRANSIENT, Conduct, Patience, answered, failure_of
from clearscope_client.steps import Answer, Conversation, NoAnswer, Request, send, work

PATH = "/v1/uploads"
_VERSION = {"Tus-Resumable": "1.0.0"}
_CHECKSUM_MISMATCH = 460
# The server has other bytes than those that this part follows, or is making the image: ask where to go on.
_PASSING = TRANSIENT | {HTTPStatus.CONFLICT, HTTPStatus.LOCKED, _CHECKSUM_MISMATCH}
_AWAY = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_MOST_BEGINNINGS = 3
# The server looks at the whole file before it answers the last part.
_ANSWER_TIMEOUT_S = 300.0
# Time for which a server may be busy with the image; nothing fails meanwhile.
_MOST_MAKING_S = 1800.0


class Content(Protocol):
    """A file of known size, any part of which can be read again."""

    @property
    def size_bytes(self) -> int: ...

    def part(self, start_byte: int, size_bytes: int) -> Iterator[bytes]: ...

    def pass_over(self, size_bytes: int) -> None:
        """Read the first bytes, which the server has already."""
        ...


@dataclass(frozen=True)
class _Part:
    content: Content
    start_byte: int
    size_bytes: int

    def chunks(self) -> Iterator[bytes]:
        return self.content.part(self.start_byte, self.size_bytes)


class _Gone(Exception):  # noqa: N818  # is no error: the upload is begun again
    """The server knows the upload no more."""


class _RefusedError(Exception):
    """The server has refused the file, and says so for as long as it knows the upload."""

    def __init__(self, reason: ClientError) -> None:
        super().__init__(reason.detail)
        self.reason = reason


def is_offered(conduct: Conduct) -> Conversation[bool]:
    """Return whether the server takes resumable uploads; it is asked once."""
    if conduct.resumes is None:
        try:
            answer = yield from answered(conduct, Request("OPTIONS", PATH))
        except ServerRefusedError:
            # An earlier version; or a key that may not upload, which the upload itself is told.
            return False
        conduct.resumes = "tus-version" in answer.headers
    return conduct.resumes


def send_in_parts(
    conduct: Conduct, content: Content, metadata: Mapping[str, str], begun: BegunUpload | None = None
) -> Conversation[str]:
    """Send a file; return the id of its image. Raises ClientError.

    `begun`: note by which another process, after this one has ended, goes on with the upload.
    """
    for _ in range(_MOST_BEGINNINGS):
        path = begun.read() if begun else None
        try:
            if path is not None:
                offset_bytes, image_id = yield from _take_up(conduct, path, content)
            else:
                offset_bytes, image_id = 0, None
                path = yield from _begin(conduct, content, metadata)
                if begun:
                    begun.write(path, conduct.now())
            image_id = image_id or (yield from _send(conduct, path, content, offset_bytes))
        except _Gone:
            _forget(begun)
            continue
        except _RefusedError as refused:
            _forget(begun)
            raise refused.reason from None
        except (InvalidRequestError, ConflictError):
            _forget(begun)
            raise
        _forget(begun)
        return image_id
    raise UnexpectedAnswerError(
        f"{conduct.server} forgot an upload {_MOST_BEGINNINGS} times; try again later"
    )


def _forget(begun: BegunUpload | None) -> None:
    if begun:
        begun.remove()


def _take_up(conduct: Conduct, path: str, content: Content) -> Conversation[tuple[int, str | None]]:
    """Return how much another process has sent, and the image's id if that was all; digest these bytes."""
    answer = yield from _look(conduct, path)
    if answer.headers.get("upload-length") != str(content.size_bytes):
        raise _Gone
    offset_bytes, image_id = _progress(conduct, answer)
    yield from work(lambda: content.pass_over(offset_bytes))
    return offset_bytes, image_id


def _begin(conduct: Conduct, content: Content, metadata: Mapping[str, str]) -> Conversation[str]:
    told = ",".join(f"{name} {b64encode(value.encode()).decode()}" for name, value in metadata.items())
    headers = {**_VERSION, "Upload-Length": str(content.size_bytes), "Upload-Metadata": told}
    answer = yield from answered(conduct, Request("POST", PATH, headers=headers))
    path = urlsplit(answer.headers.get("location", "")).path
    if PATH not in path:
        raise UnexpectedAnswerError(f"{conduct.server} began an upload without telling where to send it")
    return path[path.index(PATH) :]


def _send(conduct: Conduct, path: str, content: Content, offset_bytes: int) -> Conversation[str]:
    patience = Patience(conduct, _PASSING)
    image_id: str | None = None
    making_since_s: float | None = None
    while image_id is None:
        outcome = yield from _send_part(conduct, path, content, offset_bytes)
        before_bytes = offset_bytes
        if isinstance(outcome, Answer) and outcome.is_success:
            patience.succeeded()
        else:
            if isinstance(outcome, Answer) and outcome.http_status in _AWAY:
                yield from _raise_reason(conduct, path)
            if isinstance(outcome, Answer) and outcome.http_status == HTTPStatus.FORBIDDEN:
                # Of a part, which may be sent once there is room, or of the file.
                yield from _raise_refusal(conduct, path)
            if isinstance(outcome, Answer) and outcome.http_status == HTTPStatus.LOCKED:
                now_s = conduct.monotonic_s()
                making_since_s = now_s if making_since_s is None else making_since_s
                if now_s - making_since_s < _MOST_MAKING_S:
                    patience.progressed()
            yield from patience.bear(outcome)
            outcome = yield from _look(conduct, path)
        offset_bytes, image_id = _progress(conduct, outcome)
        if offset_bytes > before_bytes:
            patience.progressed()
    patience.succeeded()
    return image_id


def _send_part(
    conduct: Conduct, path: str, content: Content, offset_bytes: int
) -> Conversation[Answer | NoAnswer]:
    size_bytes = min(conduct.part_bytes, content.size_bytes - offset_bytes)
    headers = {
        **_VERSION,
        "Upload-Offset": str(offset_bytes),
        "Content-Type": "application/offset+octet-stream",
    }
    outcome = yield from send(
        Request(
            "PATCH",
            path,
            headers=headers,
            body=_Part(content, offset_bytes, size_bytes),
            answer_timeout_s=_ANSWER_TIMEOUT_S,
        )
    )
    conduct.has_answered |= isinstance(outcome, Answer)
    return outcome


def _look(conduct: Conduct, path: str) -> Conversation[Answer]:
    """Ask how much has arrived."""
    try:
        return (yield from answered(conduct, Request("HEAD", path, headers=_VERSION)))
    except ServerRefusedError as error:
        if error.http_status in _AWAY:
            yield from _raise_reason(conduct, path)
        raise


def _progress(conduct: Conduct, answer: Answer) -> tuple[int, str | None]:
    """Return how much has arrived, and the image's id once it is there."""
    try:
        offset_bytes = int(answer.headers["upload-offset"])
    except (KeyError, ValueError) as error:
        raise UnexpectedAnswerError(f"{conduct.server} does not tell how much has arrived") from error
    return offset_bytes, answer.headers.get("clearscope-image")


def _raise_reason(conduct: Conduct, path: str) -> Conversation[None]:
    """Raise why a file was refused, or _Gone if the upload has only expired."""
    yield from _raise_refusal(conduct, path)
    raise _Gone


def _raise_refusal(conduct: Conduct, path: str) -> Conversation[None]:
    """Raise why a file was refused, if it was, or _Gone if the server knows nothing of the upload."""
    try:
        answer = yield from answered(conduct, Request("GET", path))
    except NotFoundError:
        raise _Gone from None
    problem = json.loads(answer.content).get("problem")
    if problem is not None:
        raise _RefusedError(failure_of(Answer(problem["status"], {}, json.dumps(problem).encode()), conduct))
