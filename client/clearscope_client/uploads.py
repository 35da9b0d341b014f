"""Uploads of images: one POST with an Idempotency-Key, whose answer is checked against what was sent."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clearscope_client.documents import UploadedImage
from clearscope_client.errors import ServerRefusedError, UploadDamagedError
from clearscope_client.progress import Progress, Told, tell_nobody
from clearscope_client.reading import document_of
from clearscope_client.retrying import Conduct, answered
from clearscope_client.sources import Source
from clearscope_client.steps import Conversation, Request

# The server looks at the whole file before it answers.
_ANSWER_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class UploadOptions:
    """What is told of an upload.

    `settings`: acquisition settings, which win over those in the file. `series`: number of the only image to
    store of a file that holds several. `key`: Idempotency-Key; the same key never makes a second image.
    """

    microscope: str | None = None
    profile: str | None = None
    settings: Mapping[str, Any] | None = None
    role: str = "data"
    series: int | None = None
    key: str | None = None

    def query(self, filename: str) -> dict[str, str | int]:
        told = {
            "filename": filename,
            "microscope": self.microscope,
            "profile": self.profile,
            "role": self.role,
            "series": self.series,
            "settings": None if self.settings is None else json.dumps(dict(self.settings)),
        }
        return {name: value for name, value in told.items() if value is not None}


def upload(
    conduct: Conduct, source: Source, options: UploadOptions, on_progress: Told = tell_nobody
) -> Conversation[UploadedImage]:
    """Upload an image. Raises UploadDamagedError if the server has received other bytes."""
    body = _Watched(source, on_progress)
    request = Request(
        "POST",
        "/v1/images",
        query=options.query(source.name),
        headers={"Idempotency-Key": options.key or conduct.new_key()},
        body=body,
        answer_timeout_s=_ANSWER_TIMEOUT_S,
    )
    try:
        answer = yield from answered(conduct, request)
    except ServerRefusedError as refusal:
        raise refusal.about(source.told_as) from refusal
    image = document_of(UploadedImage, answer)
    if image.sha256 != body.sha256:
        raise UploadDamagedError(
            f"{source.told_as}: the server has received other bytes (SHA-256 {image.sha256}) than were read "
            f"({body.sha256}); delete image {image.id} and send it again"
        )
    return image


class _Watched:
    """Body that digests and counts what is read of a source."""

    def __init__(self, source: Source, on_progress: Told) -> None:
        self._source = source
        self._on_progress = on_progress
        self._digest = hashlib.sha256()

    @property
    def size_bytes(self) -> int | None:
        return self._source.size_bytes

    @property
    def sha256(self) -> str:
        """Digest of what the last attempt has read."""
        return self._digest.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        self._digest = hashlib.sha256()
        read_bytes = 0
        for chunk in self._source.chunks():
            self._digest.update(chunk)
            read_bytes += len(chunk)
            size_bytes = self.size_bytes
            self._on_progress(Progress("upload", read_bytes / size_bytes if size_bytes else None))
            yield chunk
