"""Files of a set that is stored as a ZIP archive."""

import encodings.cp437  # noqa: F401  # zipfile needs it later, when a reading process can import nothing
import io
import zipfile
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import BinaryIO

from models_store.errors import ImageCorruptError, ImageTooLargeError, ImageUnsupportedError
from models_store.image_files.sets.named_files import MAX_FILES, is_of_file_manager
from models_store.image_files.sets.zip_member import ZipMember

_MAX_RATIO = 1100
"""Deflate makes files at most 1032 times smaller."""
_ENCRYPTED = 1
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class ZipFiles:
    """The NamedFiles of an archive; folders and entries of file managers are left out."""

    def __init__(self, stream: BinaryIO) -> None:
        """Read the list of files.

        Raises ImageCorruptError if it is broken or names a place outside the archive, ImageUnsupportedError
        if files are encrypted or compressed by an uncommon method, ImageTooLargeError if there are too many.
        """
        self._stream = stream
        try:
            archive = zipfile.ZipFile(stream)
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
            raise ImageCorruptError(
                "the ZIP archive cannot be read: the list of its files, at its end, is missing or broken "
                f"({error}); if it was cut, copy it again, else pack it again"
            ) from error
        entries = [entry for entry in archive.infolist() if not _is_ignored(entry)]
        if len(entries) > MAX_FILES:
            raise ImageTooLargeError(
                f"the ZIP archive holds {len(entries)} files; at most {MAX_FILES} are read"
            )
        for entry in entries:
            _require_readable(entry)
        # A file that was written again is in the archive twice; the last one counts.
        self._entries = {entry.filename: entry for entry in entries}

    @property
    def names(self) -> Collection[str]:
        return self._entries.keys()

    def size_bytes(self, name: str) -> int:
        return self._entries[name].file_size

    def open(self, name: str) -> BinaryIO:
        return io.BufferedReader(ZipMember(self._stream, self._entries[name]))


def _is_ignored(entry: zipfile.ZipInfo) -> bool:
    return entry.is_dir() or is_of_file_manager(entry.filename)


def _require_readable(entry: zipfile.ZipInfo) -> None:
    path = PurePosixPath(entry.filename)
    if "\\" in entry.filename:
        raise ImageCorruptError(
            f"the ZIP archive separates the folders of {entry.filename!r} by \\, which is not valid; pack it "
            "again with another program"
        )
    if path.is_absolute() or ".." in path.parts:
        raise ImageCorruptError("the ZIP archive names a file outside of itself; pack it again")
    if entry.flag_bits & _ENCRYPTED:
        raise ImageUnsupportedError("the ZIP archive is encrypted; pack it without a password")
    if entry.compress_type not in _METHODS:
        raise ImageUnsupportedError(
            "the ZIP archive is compressed by an uncommon method; pack it with Deflate or without compression"
        )
    if entry.file_size > _MAX_RATIO * max(entry.compress_size, 1):
        raise ImageCorruptError(f"the ZIP archive's entry {entry.filename!r} claims an impossible size")
