"""What is uploaded: a file, a folder of an image set as a ZIP archive, or bytes."""

import os
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from clearscope_client.errors import SourceChangedError, SourceUnreadableError
from clearscope_client.exclusive import was_locked

CHUNK_BYTES = 1024**2
_OF_FILE_MANAGERS = (".DS_Store", "Thumbs.db", "desktop.ini")
_RESOURCE_FORK = "._"


def spelled(name: str | Path) -> str:
    """Return a name with escapes for bytes that are no UTF-8, which neither JSON nor terminals take."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@runtime_checkable
class Source(Protocol):
    """Named content, which can be read more than once."""

    @property
    def name(self) -> str:
        """File name that the server is told."""
        ...

    @property
    def told_as(self) -> str:
        """What errors call it."""
        ...

    @property
    def size_bytes(self) -> int | None:
        """None: not known before it has been read."""
        ...

    def chunks(self) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class BytesSource:
    name: str
    content: bytes

    @property
    def told_as(self) -> str:
        return self.name

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def chunks(self) -> Iterator[bytes]:
        return self.part(0, len(self.content))

    def part(self, start_byte: int, size_bytes: int) -> Iterator[bytes]:
        end_byte = start_byte + size_bytes
        for start in range(start_byte, end_byte, CHUNK_BYTES):
            yield self.content[start : min(start + CHUNK_BYTES, end_byte)]


@dataclass(frozen=True)
class FileSource:
    """A file of the size that it had at first."""

    path: Path
    name: str
    size_bytes: int

    @classmethod
    def of(cls, path: Path, name: str | None = None) -> "FileSource":
        """Raises SourceUnreadableError unless there is such a file."""
        with _reporting(path):
            found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise SourceUnreadableError(f"{spelled(path)} is no file")
        return cls(path, name or spelled(path.name), found.st_size)

    @property
    def told_as(self) -> str:
        return spelled(self.path)

    def chunks(self) -> Iterator[bytes]:
        """Raises SourceChangedError if the file is not as long as it was."""
        return self.part(0, self.size_bytes)

    def part(self, start_byte: int, size_bytes: int) -> Iterator[bytes]:
        """Iterate over a part of the file; raises like `chunks`."""
        end_byte = start_byte + size_bytes
        with _reporting(self.path), self.path.open("rb") as file:
            file.seek(start_byte)
            while start_byte < end_byte and (chunk := file.read(min(CHUNK_BYTES, end_byte - start_byte))):
                start_byte += len(chunk)
                yield chunk
            has_grown = end_byte == self.size_bytes and bool(file.read(1))
        if start_byte < end_byte or has_grown:
            raise SourceChangedError(
                f"{self.told_as} has changed while it was sent; send it when it is complete"
            )


@dataclass(frozen=True)
class ZipEntry:
    """A file of an archive."""

    name: str
    size_bytes: int
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class ZipSource:
    """An archive that is made, uncompressed, while it is sent; equal files make equal archives."""

    name: str
    told_as: str
    entries: tuple[ZipEntry, ...]
    size_bytes: None = None

    def chunks(self) -> Iterator[bytes]:
        sent = _Sent()
        with zipfile.ZipFile(sent, "w", zipfile.ZIP_STORED) as archive:
            for each in self.entries:
                entry = zipfile.ZipInfo(each.name)  # without the time of the file
                entry.file_size = each.size_bytes
                with each.open() as file, archive.open(entry, "w", force_zip64=True) as target:
                    while chunk := file.read(CHUNK_BYTES):
                        target.write(chunk)
                        yield sent.take()
                yield sent.take()
        yield sent.take()


def source_of(path: Path) -> Source:
    """Return the source of a file or of a folder; raises SourceUnreadableError."""
    if not path.is_dir():
        return FileSource.of(path)
    entries = tuple(_entry(file, path) for file in files_below(path))
    if not entries:
        raise SourceUnreadableError(f"{spelled(path)} is a folder without files")
    return ZipSource(f"{spelled(path.resolve().name)}.zip", spelled(path), entries)


def set_of(name: str, told_as: str, paths: Iterable[Path]) -> ZipSource:
    """Return the source of an image whose files lie in one folder; raises SourceUnreadableError."""
    return ZipSource(name, told_as, tuple(_entry(path, path.parent) for path in paths))


def files_below(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and of those below it in order.

    Symbolic links are left out, and what is no part of an image: what file managers add, and folders that a
    watch or a spool writes into.
    """
    with _reporting(folder):
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    for entry in found:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if not was_locked(path):
                yield from files_below(path)
        elif entry.is_file(follow_symlinks=False) and not _is_of_file_manager(entry.name):
            yield path


def _is_of_file_manager(name: str) -> bool:
    return name in _OF_FILE_MANAGERS or name.startswith(_RESOURCE_FORK)


def _entry(path: Path, folder: Path) -> ZipEntry:
    with _reporting(path):
        size_bytes = path.stat().st_size
    return ZipEntry(spelled(path.relative_to(folder).as_posix()), size_bytes, partial(_open, path))


def _open(path: Path) -> BinaryIO:
    with _reporting(path):
        return path.open("rb")


class _Sent:
    """Collects what is written until it is taken; cannot seek."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes, /) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        """Do nothing; zipfile calls it, like close."""

    close = flush

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


@contextmanager
def _reporting(path: Path) -> Iterator[None]:
    """Raise SourceUnreadableError for an OSError."""
    try:
        yield
    except OSError as error:
        raise SourceUnreadableError(f"{spelled(path)} cannot be read: {error.strerror or error}") from error
