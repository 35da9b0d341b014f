"""Blob store in a local folder or an S3 bucket; a thin layer over obstore."""

import asyncio
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from models_store.blobs.outages import blob_outages
from models_store.blobs.ranges import BlobRanges
from models_store.errors import NotFoundError, OutageError, UnavailableError
from models_store.settings import Settings

if TYPE_CHECKING:
    from obstore import BytesStream, GetOptions  # only in its type stubs

CHUNK_BYTES = 1024**2
# S3 accepts at most 10,000 parts, which limits a blob to 80 GiB.
PART_BYTES = 8 * CHUNK_BYTES
# Concurrent part uploads; an upload holds these and one more part in memory.
PARTS_AT_ONCE = 3
# S3's limit for listing and deleting in one request.
PAGE_KEYS = 1000
# Suffix of obstore's temporary files.
UNFINISHED = re.compile(r"#\d+$")


@dataclass(frozen=True)
class StoredBlob:
    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class BlobEntry:
    key: str
    written_at: datetime


@dataclass(frozen=True)
class BlobStoreLimits:
    """Timeout and retries of requests to a remote store."""

    timeout_s: float = 10.0
    retries: int = 4
    retry_s: float = 20.0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.blob_timeout_s, settings.blob_retries, settings.blob_retry_s)


class BlobWriter(Protocol):
    async def write(self, buffer: bytes, /) -> int: ...


class _OutageReportingWriter:
    """A writer that raises failures as OutageError."""

    def __init__(self, writer: BlobWriter) -> None:
        self._writer = writer

    async def write(self, buffer: bytes, /) -> int:
        with blob_outages():
            return await self._writer.write(buffer)


class Blobs:
    """A blob store. Writes are atomic, and blobs are immutable.

    Raises NotFoundError for an unknown key, and OutageError when the store fails or is full.
    """

    def __init__(self, url: str, limits: BlobStoreLimits | None = None) -> None:
        """`url`: file:///folder, s3://bucket/prefix, or any other that obstore supports."""
        with blob_outages():
            self._store = _open(url, limits or BlobStoreLimits())
        self._folder = (
            Path(self._store.prefix) if isinstance(self._store, LocalStore) and self._store.prefix else None
        )

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Open the configured store."""
        return cls(settings.resolved_blob_url, BlobStoreLimits.of(settings))

    @property
    def writes_at_once(self) -> int:
        """Maximum number of concurrent writes: two keep a disk busy; those to a remote store mostly wait."""
        return 2 if self._folder else 64

    def put(self, key: str, content: bytes) -> StoredBlob:
        with blob_outages():
            obstore.put(self._store, key, content)
            self._fsync(key)
        return StoredBlob(key, hashlib.sha256(content).hexdigest(), len(content))

    def put_file(self, key: str, path: Path) -> StoredBlob:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with blob_outages():
            obstore.put(self._store, key, path, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE)
            self._fsync(key)
        return StoredBlob(key, sha256, path.stat().st_size)

    def put_chunks(self, key: str, chunks: Iterable[bytes]) -> StoredBlob:
        """Store a blob that is made while it is written, in constant memory; nothing if `chunks` raises."""
        digest = hashlib.sha256()
        size_bytes = 0
        with blob_outages():
            # An iterator passed to obstore.put must not read from a store itself.
            with obstore.open_writer(
                self._store, key, buffer_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
            ) as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size_bytes += len(chunk)
                    file.write(chunk)
            self._fsync(key)
        return StoredBlob(key, digest.hexdigest(), size_bytes)

    def take_file(self, key: str, path: Path) -> StoredBlob:
        """Store a file and remove the original; on the store's own disk it is moved instead of copied."""
        if self._folder is None or self._folder.stat().st_dev != path.stat().st_dev:
            stored = self.put_file(key, path)
            path.unlink()
            return stored
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size_bytes = path.stat().st_size
        with blob_outages():
            target = self._folder / key
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            self._fsync(key)
        return StoredBlob(key, sha256, size_bytes)

    def link_file(self, key: str, path: Path) -> None:
        """Store a symbolic link to a local file or folder; only for stores in a local folder."""
        if self._folder is None:
            raise NotImplementedError("a remote store cannot hold links; use put_file")
        target = self._folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path.absolute())

    @asynccontextmanager
    async def writer(self, key: str) -> AsyncIterator[BlobWriter]:
        """Yield a writer of a blob, which appears when the block ends without an error."""
        opened = obstore.open_writer_async(
            self._store, key, buffer_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
        )
        file = await opened.__aenter__()
        try:
            yield _OutageReportingWriter(file)
        except BaseException:
            with suppress(OutageError), blob_outages():
                await opened.__aexit__(*sys.exc_info())
            raise
        with blob_outages():
            await opened.__aexit__(None, None, None)
            await asyncio.to_thread(self._fsync, key)

    def get(self, key: str) -> bytes:
        with _key_errors(key), blob_outages():
            return obstore.get(self._store, key).bytes().to_bytes()

    def stream(self, key: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Iterate over the chunks of a blob, or of its byte range from `start` to before `stop`.

        The request is sent, and its errors are raised, before this function returns.
        """
        options: GetOptions = {"range": {"offset": start} if stop is None else (start, stop)}
        with _key_errors(key), blob_outages():
            found = obstore.get(self._store, key, options=options if start or stop else None)
        return _chunks(found.stream(min_chunk_size=CHUNK_BYTES))

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return byte ranges of a blob, given by offset and length, which must be within it."""
        starts, lengths = [start for start, _ in ranges], [length for _, length in ranges]
        with _key_errors(key), blob_outages():
            # Bytes between the ranges are never fetched.
            found = obstore.get_ranges(self._store, key, starts=starts, lengths=lengths, coalesce=0)
            return [part.to_bytes() for part in found]

    def local_path_or_ranges(self, key: str) -> Path | BlobRanges:
        """Return the path of a blob in a local store; a blob of a remote store is read by ranges."""
        return self.local_path(key) or BlobRanges(self, key, self.size_bytes(key))

    def size_bytes(self, key: str) -> int:
        with _key_errors(key), blob_outages():
            return int(obstore.head(self._store, key)["size"])

    def delete(self, keys: Iterable[str]) -> None:
        """Delete blobs; unknown keys are ignored."""
        remaining = iter(keys)
        while batch := list(islice(remaining, PAGE_KEYS)):
            with blob_outages():
                self._delete(batch)

    def discard(self, keys: Iterable[str]) -> None:
        """Delete unreferenced blobs; during an outage they are left to the sweeper."""
        with suppress(OutageError):
            self.delete(keys)

    def keys(self, prefix: str, *, older_than: datetime | None = None) -> list[str]:
        """List the keys under a folder: all, or those last written before `older_than`."""
        entries = (entry for page in self.pages(prefix) for entry in page)
        return sorted(entry.key for entry in entries if older_than is None or entry.written_at < older_than)

    def pages(self, prefix: str) -> Iterator[list[BlobEntry]]:
        """Iterate over a folder page by page, unordered, in constant memory."""
        with blob_outages():
            for page in obstore.list(self._store, prefix, chunk_size=PAGE_KEYS):
                yield [BlobEntry(entry["path"], entry["last_modified"]) for entry in page]

    def delete_unfinished(self, older_than: datetime) -> int:
        """Delete temporary files of interrupted local writes and return their number.

        On S3 the bucket's lifecycle rules abort incomplete uploads.
        """
        if self._folder is None:
            return 0
        deleted = 0
        with blob_outages():
            for folder, _, names in os.walk(self._folder):
                for name in filter(UNFINISHED.search, names):
                    path = Path(folder, name)
                    with suppress(FileNotFoundError):
                        if datetime.fromtimestamp(path.stat().st_mtime, UTC) < older_than:
                            path.unlink()
                            deleted += 1
        return deleted

    @contextmanager
    def as_file(self, key: str) -> Iterator[Path]:
        """Yield the path of a readable file: the blob itself in a local store, else a temporary copy."""
        if path := self.local_path(key):
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="clearscope-") as folder:
            path = Path(folder) / Path(key).name
            with path.open("wb") as file:
                file.writelines(self.stream(key))
            yield path

    @property
    def is_local(self) -> bool:
        """Whether the blobs lie in a folder of this machine."""
        return self._folder is not None

    def local_path(self, key: str) -> Path | None:
        """Return the path of a blob in a local store; None if the store is remote."""
        if self._folder is None:
            return None
        path = self._folder / key
        if not (path.is_file() or path.is_symlink()):
            raise NotFoundError(f"no blob has the key {key}")
        return path

    def ping(self) -> None:
        """Raise OutageError if the store does not answer or its folder is not writable; writes nothing."""
        if self._folder is not None and not os.access(self._folder, os.W_OK | os.X_OK):
            raise UnavailableError(f"the blob folder {self._folder} is not writable")
        with blob_outages():
            next(iter(obstore.list(self._store, prefix="health/", chunk_size=1)), None)

    def _delete(self, keys: Sequence[str]) -> None:
        if self._folder is None:
            with suppress(FileNotFoundError):
                obstore.delete(self._store, list(keys))
            return
        for key in keys:
            with suppress(FileNotFoundError):
                obstore.delete(self._store, key)

    def _fsync(self, key: str) -> None:
        """Flush a new local blob to disk, so that it survives a power failure before a row refers to it."""
        if self._folder is None:
            return
        path = self._folder / key
        for written in (path, path.parent):
            handle = os.open(written, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _open(url: str, limits: BlobStoreLimits) -> ObjectStore:
    if url.startswith("file:"):
        return from_url(url, mkdir=True)
    timeout = timedelta(seconds=limits.timeout_s)
    return from_url(
        url,
        client_options={
            # obstore reads this variable itself only if no client options are given.
            "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() in {"1", "true"},
            "connect_timeout": timeout,
            # Applies to each read; transferring a large blob takes much longer.
            "read_timeout": timeout,
            "timeout": timedelta(days=1),
        },
        retry_config={"max_retries": limits.retries, "retry_timeout": timedelta(seconds=limits.retry_s)},
    )


def _chunks(chunks: "BytesStream") -> Iterator[bytes]:
    with blob_outages():
        for chunk in chunks:
            yield bytes(chunk)


@contextmanager
def _key_errors(key: str) -> Iterator[None]:
    """Raise FileNotFoundError as NotFoundError."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(f"no blob has the key {key}") from error
