"""Opening of image files of any format, which their content tells."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from models_store.errors import ImageSeriesError
from models_store.image_files.file_streams import StreamedFile, stream_of
from models_store.image_files.header import DEFAULT_LIMITS, ImageLimits
from models_store.image_files.planes import PlaneSource
from models_store.image_files.sets.folder import FolderFiles
from models_store.image_files.sets.kind import require_set_kind
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.sets.zip_archive import ZipFiles
from models_store.image_files.signatures import is_zip, read_head, vendor_kind
from models_store.image_files.tiff.reader import open_planes as open_tiff_planes
from models_store.image_files.tiff_sets.opening import open_tiff_set
from models_store.image_files.vendor.planes import open_vendor_planes
from models_store.image_files.zarr.planes import open_zarr_planes

ImageFile = StreamedFile | NamedFiles
"""A file, or a folder, given by path or by its files."""


@contextmanager
def open_planes(
    file: ImageFile, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
) -> Iterator[PlaneSource]:
    """Open an image of a file or folder.

    `series` is its number if there are several. Raises the errors of `inspect_image`, and ImageSeriesError.
    """
    if isinstance(file, Path) and file.is_dir():
        with FolderFiles(file) as files, open_planes(files, limits, series) as planes:
            yield planes
        return
    if not isinstance(file, StreamedFile):
        with _open_set(file, "a folder", limits, series) as set_planes:
            yield set_planes
        return
    with stream_of(file) as stream:
        head = read_head(stream)
        if is_zip(head):
            with _open_set(ZipFiles(stream), "a ZIP archive", limits, series) as set_planes:
                yield set_planes
            return
    kind = vendor_kind(head)
    if kind is not None:
        with open_vendor_planes(file, kind, limits, series) as vendor_planes:
            yield vendor_planes
        return
    with open_tiff_planes(file, limits) as planes:
        if series:
            raise ImageSeriesError(
                f"there is no series {series}: a TIFF file holds one image here, of all its pages; leave "
                "series out"
            )
        yield planes


def _open_set(
    files: NamedFiles, container: str, limits: ImageLimits, series: int | None
) -> AbstractContextManager[PlaneSource]:
    """Open an image of a set of files by the reader of its kind; `container` is what holds the set."""
    match require_set_kind(files, container):
        case "zarr":
            return open_zarr_planes(files, limits, series)
        case "tiff":
            return open_tiff_set(files, limits, series)
