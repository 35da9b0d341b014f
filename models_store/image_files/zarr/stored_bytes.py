"""Bytes of the files of a set, with errors in the project's terms."""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from models_store.errors import ImageCorruptError
from models_store.image_files.sets.named_files import NamedFiles


@contextmanager
def _raising_image_corrupt(name: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise ImageCorruptError(f"the file {name!r} of the set cannot be read: {error}") from error


def read_file(files: NamedFiles, name: str, most_bytes: int) -> bytes:
    """Return the content of a file. Raises ImageCorruptError if it is longer, or cannot be read."""
    size_bytes = files.size_bytes(name)
    if size_bytes > most_bytes:
        raise ImageCorruptError(
            f"the file {name!r} of the set has {size_bytes} bytes; at most {most_bytes} were expected"
        )
    with _raising_image_corrupt(name), files.open(name) as stream:
        content = stream.read(size_bytes + 1)
    if len(content) != size_bytes:
        raise ImageCorruptError(f"the file {name!r} of the set has not {size_bytes} bytes; copy it again")
    return content


def read_part(files: NamedFiles, name: str, offset: int, length: int) -> bytes:
    """Return a part of a file. Raises ImageCorruptError if the file ends before, or cannot be read."""
    size_bytes = files.size_bytes(name)
    if offset + length > size_bytes:
        raise ImageCorruptError(
            f"the file {name!r} of the set has {size_bytes} bytes, but should hold {length} at {offset}"
        )
    with _raising_image_corrupt(name), files.open(name) as stream:
        stream.seek(offset)
        content = stream.read(length)
    if len(content) != length:
        raise ImageCorruptError(f"the file {name!r} of the set was cut; copy it again")
    return content
