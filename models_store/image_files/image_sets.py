"""Sets of files that are opened as one: folders and ZIP archives."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from models_store.image_files.file_streams import StreamedFile, stream_of
from models_store.image_files.sets.folder import FolderFiles
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.sets.zip_archive import ZipFiles
from models_store.image_files.signatures import is_zip, read_head

ImageFile = StreamedFile | NamedFiles
"""A file, or a folder, given by path or by its files."""


class ImageSet(NamedTuple):
    """The files of a set, and what holds them ("a folder")."""

    files: NamedFiles
    container: str


@contextmanager
def open_set(file: ImageFile) -> Iterator[ImageSet | None]:
    """Open a folder or a ZIP archive; None stands for any other file.

    Raises ImageCorruptError, ImageUnsupportedError or ImageTooLargeError.
    """
    if isinstance(file, Path) and file.is_dir():
        with FolderFiles(file) as files:
            yield ImageSet(files, "a folder")
    elif not isinstance(file, StreamedFile):
        yield ImageSet(file, "a folder")
    else:
        with stream_of(file) as stream:
            yield ImageSet(ZipFiles(stream), "a ZIP archive") if is_zip(read_head(stream)) else None
