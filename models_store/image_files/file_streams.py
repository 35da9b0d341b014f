"""Files as streams, however they are given."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, cast

StreamedFile = Path | int | RawIOBase
"""A file, given by path, descriptor or stream; the stream's `read` returns as many bytes as are asked for."""


@contextmanager
def stream_of(file: StreamedFile) -> Iterator[BinaryIO]:
    """Yield a file's stream, rewound; a file that was given by descriptor or stream stays open."""
    if isinstance(file, RawIOBase):
        file.seek(0)
        yield cast("BinaryIO", file)
        return
    with open(file, "rb", closefd=isinstance(file, Path)) as stream:  # a descriptor has no path
        stream.seek(0)  # a descriptor may have been read from
        yield stream
