"""Files of a set in a folder."""

import os
import stat
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from models_store.errors import ImageCorruptError, ImageTooLargeError, ImageUnsupportedError
from models_store.image_files.sets.named_files import MAX_FILES, is_of_file_manager

# A file that was replaced by a pipe must not block its opening.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class FolderFiles:
    """The NamedFiles of a folder and the folders below it; a context manager.

    Symbolic links are left out. Files are opened step by step below the folder's descriptor, so that none
    outside is opened even if the folder changes.
    """

    def __init__(self, folder: Path) -> None:
        """List the files.

        Raises ImageCorruptError if a folder cannot be read, ImageTooLargeError if there are too many files,
        ImageUnsupportedError if the name of one is not valid.
        """
        self.path = folder
        try:
            self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _unreadable(str(folder), error) from error
        try:
            self._sizes = self._list()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._folder)

    @property
    def names(self) -> Collection[str]:
        return self._sizes.keys()

    @property
    def sizes(self) -> dict[str, int]:
        """Size of each file in bytes, when it was listed."""
        return self._sizes

    def size_bytes(self, name: str) -> int:
        return self._sizes[name]

    def open(self, name: str) -> BinaryIO:
        """Open a file. Raises KeyError if it was not listed, ImageCorruptError if it cannot be read."""
        return os.fdopen(self.descriptor(name), "rb")

    def descriptor(self, name: str) -> int:
        """Return a new descriptor of a file; raises like `open`."""
        if name not in self._sizes:
            raise KeyError(name)
        *folders, last = name.split("/")
        try:
            with _Descent(self._folder) as descent:
                for folder in folders:
                    descent.enter(folder)
                descriptor = os.open(last, _FILE, dir_fd=descent.folder)
        except OSError as error:
            raise _unreadable(name, error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ImageCorruptError(f"{name!r} in the folder is no longer a file")
        return descriptor

    def _list(self) -> dict[str, int]:
        sizes: dict[str, int] = {}
        below = [""]
        while below:
            folder = below.pop()
            try:
                with _Descent(self._folder) as descent:
                    for step in filter(None, folder.split("/")):
                        descent.enter(step)
                    found, folders = _entries(descent.folder)
            except OSError as error:
                raise _unreadable(folder or str(self.path), error) from error
            sizes |= {f"{folder}{name}": size for name, size in found.items()}
            below += [f"{folder}{name}/" for name in folders]
            if len(sizes) > MAX_FILES or len(below) > MAX_FILES:
                raise ImageTooLargeError(f"the folder holds more than {MAX_FILES} files; name one image's")
        for name in sizes:
            _require_text(name)
        return {name: sizes[name] for name in sorted(sizes) if not is_of_file_manager(name)}


class _Descent:
    """Steps from a folder to folders below it; closes what it opened, not the first folder."""

    def __init__(self, folder: int) -> None:
        self.folder = folder
        self._opened: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            os.close(self._opened)

    def enter(self, name: str) -> None:
        below = os.open(name, _FOLDER, dir_fd=self.folder)
        if self._opened is not None:
            os.close(self._opened)
        self.folder = self._opened = below


def _entries(folder: int) -> tuple[dict[str, int], list[str]]:
    """Return the sizes of the files of a folder, and the names of its folders."""
    sizes, folders = {}, []
    with closing(os.scandir(folder)) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif entry.is_file(follow_symlinks=False):
                sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
    return sizes, folders


def _require_text(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ImageUnsupportedError(f"the name of the file {name!r} is not UTF-8; rename it") from error


def _unreadable(name: str, error: OSError) -> ImageCorruptError:
    return ImageCorruptError(f"{name!r} cannot be read: {error.strerror}")
