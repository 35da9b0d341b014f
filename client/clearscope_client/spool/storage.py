"""The files of a spool. An entry is there once its JSON file is; all of it is flushed to disk before.

000000000007.data   the image
000000000007.json   the entry
delivered.jsonl     what the server has
refused/            images that the server does not want, each with the reason
uploads/            where large images go on whose upload was broken off
"""

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from clearscope_client.errors import FileUnwritableError
from clearscope_client.sources import Source
from clearscope_client.spool.entries import Delivered, Entry, Posting

DELIVERED_NAME = "delivered.jsonl"
REFUSED_FOLDER = "refused"
UPLOADS_FOLDER = "uploads"
_NUMBER = 12 * "[0-9]"


class Storage:
    """Entries on disk, by number; a folder that was left by a process that was killed is put in order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._delivered = folder / DELIVERED_NAME
        self._refused = folder / REFUSED_FOLDER
        self.keys = {each.key: each.number for each in self.delivered()}
        """Number of each entry that there ever was, by its key."""
        self.entries: dict[int, Entry] = {}
        """Those that wait, in the order of their numbers."""
        self.size_bytes = 0
        known = set(self.keys.values())
        for unfinished in folder.glob(f"{_NUMBER}.*.part"):
            unfinished.unlink()
        for path in sorted(folder.glob(f"{_NUMBER}.json")):
            number = int(path.stem)
            if number in known:
                self._remove(number)  # delivered, but not yet removed
            else:
                self._take_up(path)
            known.add(number)
        for path in folder.glob(f"{_NUMBER}.data"):
            # Without an entry, so nobody was told that it is safe.
            if int(path.stem) not in self.entries:
                path.unlink()
        for path in self._refused.glob(f"{_NUMBER}.json"):
            known.add(int(path.stem))
            with contextlib.suppress(ValidationError):
                self.keys.setdefault(Entry.model_validate_json(path.read_bytes()).key, int(path.stem))
        self._next = max(known, default=0) + 1

    def path_of(self, entry: Entry) -> Path:
        return self._folder / f"{entry.number:012d}.data"

    def write(self, source: Source, key: str, posting: Posting) -> Entry:
        """Write an image durably, for `admit`. If this raises, such as FileUnwritableError, nothing stays."""
        number = self._next
        data, described = (self._folder / f"{number:012d}.{kind}" for kind in ("data", "json"))
        try:
            with _writing(data) as unfinished:
                sha256, size_bytes = _copy(source, unfinished)
            entry = Entry(
                number=number,
                key=key,
                name=source.name,
                sha256=sha256,
                size_bytes=size_bytes,
                posting=posting,
            )
            with _writing(described) as unfinished:
                _write_durably(unfinished, entry.model_dump_json().encode())
            _flush_folder(self._folder)
        except BaseException as error:
            self._remove(number)
            if isinstance(error, OSError):
                reason = error.strerror or error
                raise FileUnwritableError(f"{data} cannot be written: {reason}") from error
            raise
        self._next += 1
        return entry

    def admit(self, entry: Entry) -> None:
        """Let an image that is on disk wait to be sent."""
        self.entries[entry.number] = entry
        self.keys[entry.key] = entry.number
        self.size_bytes += entry.size_bytes

    def deliver(self, delivered: Delivered) -> None:
        """Note that the server has an image, and remove it."""
        with self._delivered.open("ab") as file:
            file.write(delivered.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._remove(delivered.number)
        self._dismiss(delivered.number)

    def refuse(self, entry: Entry, reason: str) -> Path:
        """Put an image aside with the reason; return the folder."""
        self._put_aside(entry.number, f"{entry.name}: {reason}")
        self._dismiss(entry.number)
        return self._refused

    def _take_up(self, path: Path) -> None:
        try:
            entry = Entry.model_validate_json(path.read_bytes())
        except ValidationError:
            # Flushed before it got its name, so the disk has damaged it; the data may still be whole.
            self._put_aside(int(path.stem), "the entry is damaged")
            return
        data = self.path_of(entry)
        if data.exists() and data.stat().st_size == entry.size_bytes:
            self.admit(entry)
        else:
            self._put_aside(entry.number, f"{entry.name}: the file is missing or damaged")

    def _put_aside(self, number: int, reason: str) -> None:
        self._refused.mkdir(exist_ok=True)
        stem = f"{number:012d}"
        (self._refused / f"{stem}.error.txt").write_text(f"{reason}\n", "utf-8")
        for kind in ("data", "json"):
            path = self._folder / f"{stem}.{kind}"
            if path.exists():
                path.rename(self._refused / path.name)

    def _dismiss(self, number: int) -> None:
        entry = self.entries.pop(number, None)
        self.size_bytes -= entry.size_bytes if entry else 0

    def _remove(self, number: int) -> None:
        for kind in ("json", "data", "json.part", "data.part"):
            with contextlib.suppress(OSError):
                (self._folder / f"{number:012d}.{kind}").unlink(missing_ok=True)

    def delivered(self) -> Iterator[Delivered]:
        """Yield what the server has, in the order in which it came there."""
        if not self._delivered.exists():
            return
        content = self._delivered.read_bytes()
        if content and not content.endswith(b"\n"):
            with self._delivered.open("ab") as file:
                file.write(b"\n")
        for line in content.splitlines():
            with contextlib.suppress(ValidationError):  # a line that a killed process did not finish
                yield Delivered.model_validate_json(line)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """Yield a path to write to; the file gets its name when it is on disk."""
    unfinished = path.with_name(f"{path.name}.part")
    yield unfinished
    unfinished.replace(path)


def _copy(source: Source, target: Path) -> tuple[str, int]:
    """Copy content durably; return its SHA-256 and size."""
    digest, size_bytes = hashlib.sha256(), 0
    with target.open("wb") as file:
        for chunk in source.chunks():
            digest.update(chunk)
            size_bytes += len(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size_bytes


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the names of files durable; Windows has no such call, and its journal does it."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
