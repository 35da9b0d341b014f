"""Uploads of images, with an Idempotency-Key; what has arrived is compared with what was read."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearscope_client import tus
from clearscope_client.begun_uploads import BegunUpload
from clearscope_client.documents import UploadedImage
from clearscope_client.errors import ServerRefusedError, UploadDamagedError
from clearscope_client.progress import Progress, Told, tell_nobody
from clearscope_client.reading import document_of, get, path_of
from clearscope_client.retrying import Conduct, answered
from clearscope_client.sources import BytesSource, FileSource, Source
from clearscope_client.steps import Conversation, Request

# The server looks at the whole file before it answers.
_ANSWER_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class UploadOptions:
    """What is told of an upload.

    `settings`: acquisition settings, which win over those in the file. `series`: number of the only image to
    store of a file that holds several. `key`: Idempotency-Key; the same key never makes a second image.
    `resume`: folder in which an upload in parts is noted while it lasts, so that a later process that sends
    the same file, or with the same key, goes on where this one ended; None: it begins anew.
    """

    microscope: str | None = None
    profile: str | None = None
    settings: Mapping[str, Any] | None = None
    role: str = "data"
    series: int | None = None
    key: str | None = None
    resume: Path | None = None

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
    """Upload an image, a large one in parts. Raises UploadDamagedError if the server has other bytes."""
    content = _Watched(source, on_progress)
    try:
        image = yield from _send(conduct, content, source, options)
    except ServerRefusedError as refusal:
        raise refusal.about(source.told_as) from refusal
    if image.sha256 != content.sha256:
        raise UploadDamagedError(
            f"{source.told_as}: the server has received other bytes (SHA-256 {image.sha256}) than were read "
            f"({content.sha256}); delete image {image.id} and send it again"
        )
    return image


def _send(
    conduct: Conduct, content: "_Watched", source: Source, options: UploadOptions
) -> Conversation[UploadedImage]:
    query, key = options.query(source.name), options.key or conduct.new_key()
    if isinstance(source, FileSource | BytesSource) and source.size_bytes >= conduct.resumable_from_bytes:
        in_parts = _InParts(content, source)
        if (yield from tus.is_offered(conduct)):
            metadata = {name: str(value) for name, value in query.items()}
            begun = _note_of(conduct, source, options, query)
            told = {**metadata, "idempotency_key": key}
            image_id = yield from tus.send_in_parts(conduct, in_parts, told, begun)
            return (yield from get(conduct, UploadedImage, path_of("images", image_id)))
    request = Request(
        "POST",
        path_of("images"),
        query=query,
        headers={"Idempotency-Key": key},
        body=content,
        answer_timeout_s=_ANSWER_TIMEOUT_S,
    )
    return document_of(UploadedImage, (yield from answered(conduct, request)))


def _note_of(
    conduct: Conduct, source: FileSource | BytesSource, options: UploadOptions, query: Mapping[str, str | int]
) -> BegunUpload | None:
    if options.resume is None:
        return None
    if options.key is not None:
        return BegunUpload.of(options.resume, conduct.server, options.key, query)
    if isinstance(source, BytesSource):
        return None
    try:
        changed_ns = source.path.stat().st_mtime_ns
    except OSError:
        return None  # sending it tells why
    place = str(source.path.resolve())
    return BegunUpload.of(options.resume, conduct.server, place, source.size_bytes, changed_ns, query)


class _Watched:
    """Body that digests and counts what is read of a source."""

    def __init__(self, source: Source, on_progress: Told) -> None:
        self._source = source
        self._on_progress = on_progress
        self._digest = hashlib.sha256()
        self._digested_bytes = 0

    @property
    def size_bytes(self) -> int | None:
        return self._source.size_bytes

    @property
    def sha256(self) -> str:
        """Digest of what was read from the beginning on."""
        return self._digest.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        self._digest, self._digested_bytes = hashlib.sha256(), 0
        for chunk in self._source.chunks():
            yield self.seen(chunk, self._digested_bytes)

    def seen(self, chunk: bytes, start_byte: int) -> bytes:
        """Count a chunk that begins at `start_byte`; what is read again is digested once."""
        new = chunk[max(0, self._digested_bytes - start_byte) :]
        self._digest.update(new)
        self._digested_bytes += len(new)
        end_byte = start_byte + len(chunk)
        self._on_progress(Progress("upload", end_byte / self.size_bytes if self.size_bytes else None))
        return chunk


@dataclass(frozen=True)
class _InParts:
    """Content of a file, of which any part can be read again."""

    watched: _Watched
    source: FileSource | BytesSource

    @property
    def size_bytes(self) -> int:
        return self.source.size_bytes

    def pass_over(self, size_bytes: int) -> None:
        for _ in self.part(0, size_bytes):
            pass

    def part(self, start_byte: int, size_bytes: int) -> Iterator[bytes]:
        for chunk in self.source.part(start_byte, size_bytes):
            yield self.watched.seen(chunk, start_byte)
            start_byte += len(chunk)
