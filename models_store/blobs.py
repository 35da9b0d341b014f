"""Bytes by key, in a local folder or an S3 bucket: a thin use of obstore."""

import hashlib
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import obstore
from obstore.exceptions import NotFoundError as KeyMissingError
from obstore.store import LocalStore, from_url

from models_store.errors import NotFoundError

CHUNK_BYTES = 1024**2


@dataclass(frozen=True)
class StoredBlob:
    key: str
    sha256: str
    size_bytes: int


class BlobWriter(Protocol):
    async def write(self, buffer: bytes, /) -> int: ...


class Blobs:
    """One store of blobs. A blob appears whole or not at all, and is never changed afterwards."""

    def __init__(self, url: str) -> None:
        """`url`: file:///folder, s3://bucket/prefix, or another that obstore knows."""
        self._store = from_url(url, mkdir=True) if url.startswith("file:") else from_url(url)

    def put(self, key: str, content: bytes) -> StoredBlob:
        obstore.put(self._store, key, content)
        return StoredBlob(key, hashlib.sha256(content).hexdigest(), len(content))

    def put_file(self, key: str, path: Path) -> StoredBlob:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        obstore.put(self._store, key, path)
        return StoredBlob(key, sha256, path.stat().st_size)

    @asynccontextmanager
    async def writer(self, key: str) -> AsyncIterator[BlobWriter]:
        """Write a blob piece by piece; it appears when the block ends without an error."""
        async with obstore.open_writer_async(self._store, key, buffer_size=8 * CHUNK_BYTES) as writer:
            yield writer

    def get(self, key: str) -> bytes:
        try:
            return obstore.get(self._store, key).bytes().to_bytes()
        except (KeyMissingError, FileNotFoundError) as error:
            raise NotFoundError(f"no blob has the key {key}") from error

    def stream(self, key: str) -> Iterator[bytes]:
        """Read a blob piece by piece."""
        try:
            for chunk in obstore.get(self._store, key).stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)
        except (KeyMissingError, FileNotFoundError) as error:
            raise NotFoundError(f"no blob has the key {key}") from error

    def rename(self, key: str, new_key: str) -> None:
        obstore.rename(self._store, key, new_key)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete blobs; one that is already gone is no error."""
        for key in keys:
            try:
                obstore.delete(self._store, key)
            except (KeyMissingError, FileNotFoundError):
                continue

    def keys(self, prefix: str, *, older_than: datetime | None = None) -> list[str]:
        """List the keys under a folder, all of them or those not written since a time."""
        entries = (entry for page in obstore.list(self._store, prefix) for entry in page)
        return sorted(
            entry["path"] for entry in entries if older_than is None or entry["last_modified"] < older_than
        )

    @contextmanager
    def as_file(self, key: str) -> Iterator[Path]:
        """Give the blob as a file to read: itself in a local folder, a temporary copy otherwise."""
        if path := self.local_path(key):
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="clearscope-") as folder:
            path = Path(folder) / Path(key).name
            with path.open("wb") as file:
                file.writelines(self.stream(key))
            yield path

    def local_path(self, key: str) -> Path | None:
        """Where the blob lies on this machine, or None if the store is remote."""
        if not isinstance(self._store, LocalStore) or self._store.prefix is None:
            return None
        path = Path(self._store.prefix) / key
        if not path.is_file():
            raise NotFoundError(f"no blob has the key {key}")
        return path

    def ping(self) -> None:
        """Raise if the store cannot be written to."""
        key = "health/ping"
        obstore.put(self._store, key, b"ping")
        self.delete([key])
