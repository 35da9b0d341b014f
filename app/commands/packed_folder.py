"""A folder as a ZIP archive that is made while it is sent."""

import zipfile
from collections.abc import Iterator

from models_store.image_files.sets.folder import FolderFiles

_CHUNK_BYTES = 1024**2


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


def packed(files: FolderFiles) -> Iterator[bytes]:
    """Iterate over the parts of an archive of these files, uncompressed; equal files make equal archives.

    Raises ImageCorruptError if a file cannot be read.
    """
    sent = _Sent()
    with zipfile.ZipFile(sent, "w", zipfile.ZIP_STORED) as archive:
        for name in files.names:
            entry = zipfile.ZipInfo(name)  # without the time of the file
            entry.file_size = files.size_bytes(name)
            with files.open(name) as file, archive.open(entry, "w", force_zip64=True) as target:
                while chunk := file.read(_CHUNK_BYTES):
                    target.write(chunk)
                    yield sent.take()
            yield sent.take()
    yield sent.take()
