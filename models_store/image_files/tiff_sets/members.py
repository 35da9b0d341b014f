"""TIFF files of a set, opened when they are first read."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from tifffile import TiffFile, TiffPage

from models_store.errors import ImageCorruptError, ImageError, ImageTooLargeError
from models_store.image_files.sets.kind import is_tiff
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.tiff.ifd_chain import IfdChain, read_ifd_chain
from models_store.image_files.tiff.tiff_file import open_tiff_stream
from models_store.image_files.tiff_sets.recent import RecentFiles


def tiff_names(names: Collection[str]) -> list[str]:
    """Return the names of TIFF files, sorted."""
    return sorted(filter(is_tiff, names))


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Name a file of the set in errors about it."""
    try:
        yield
    except (ImageError, ImageTooLargeError) as error:
        raise type(error)(f"{PurePosixPath(name).name!r}: {error.detail}") from error


@dataclass(frozen=True)
class Place:
    """Page of a file, counted from 0."""

    file: str
    page: int


@dataclass(frozen=True)
class Member:
    """An open TIFF file of a set, whose chain of pages was checked."""

    name: str
    tiff: TiffFile
    chain: IfdChain

    def page(self, index: int) -> TiffPage:
        """Read a page with its tags. Raises ImageCorruptError if the file has fewer."""
        if index >= len(self.chain.offsets):
            raise ImageCorruptError(
                f"{PurePosixPath(self.name).name!r} has {len(self.chain.offsets)} pages, but the metadata of "
                f"the set tell of page {index + 1}; it may have been truncated, or be of another set"
            )
        self.tiff.filehandle.seek(self.chain.offsets[index])
        return TiffPage(self.tiff, index)


class Members:
    """The TIFF files of a set by name; a bounded number is open at a time. Nothing else is ever opened."""

    def __init__(self, files: NamedFiles, max_pages: int) -> None:
        self.files = files
        self._max_pages = max_pages
        self._recent = RecentFiles(self._opened)

    def __getitem__(self, name: str) -> Member:
        """Return a file, and open it if it is closed. Raises errors that name it if it is no whole TIFF."""
        return self._recent[name]

    def close(self) -> None:
        self._recent.close()

    def _opened(self, name: str, stack: ExitStack) -> Member:
        with naming(name):
            stream = stack.enter_context(self.files.open(name))
            chain = read_ifd_chain(stream, max_pages=self._max_pages)
            return Member(name, stack.enter_context(open_tiff_stream(stream)), chain)
