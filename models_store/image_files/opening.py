"""Opening of image files of any format, which their content tells."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from models_store.errors import ImageSeriesError
from models_store.image_files.file_streams import StreamedFile, stream_of
from models_store.image_files.header import DEFAULT_LIMITS, ImageLimits, VendorKind
from models_store.image_files.image_sets import ImageFile, open_set
from models_store.image_files.planes import PlaneSource
from models_store.image_files.sets.kind import require_set_kind
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.sif.planes import open_sif_planes
from models_store.image_files.signatures import is_sif, is_spe, read_head, vendor_kind
from models_store.image_files.spe import open_spe_planes
from models_store.image_files.tiff.reader import open_planes as open_tiff_planes
from models_store.image_files.tiff_sets.opening import open_tiff_set
from models_store.image_files.vendor.planes import open_vendor_planes
from models_store.image_files.zarr.planes import open_zarr_planes


@contextmanager
def open_planes(
    file: ImageFile, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
) -> Iterator[PlaneSource]:
    """Open an image of a file or folder.

    `series` is its number if there are several. Raises the errors of `inspect_image`, and ImageSeriesError.
    """
    with open_set(file) as found:
        if found is not None:
            with _open_set(found.files, found.container, limits, series) as set_planes:
                yield set_planes
            return
    if isinstance(file, StreamedFile):
        with _open_file(file, limits, series) as planes:
            yield planes


@contextmanager
def _open_file(file: StreamedFile, limits: ImageLimits, series: int | None) -> Iterator[PlaneSource]:
    with stream_of(file) as stream:
        head = read_head(stream)
    kind = vendor_kind(head)
    if kind is not None:
        with open_vendor_planes(file, kind, limits, series) as vendor_planes:
            yield vendor_planes
        return
    if is_spe(head):
        with open_spe_planes(file, limits, series) as spe_planes:
            yield spe_planes
        return
    if is_sif(head):
        with open_sif_planes(file, limits, series) as sif_planes:
            yield sif_planes
        return
    with open_tiff_planes(file, limits) as planes:
        if series:
            raise ImageSeriesError(
                f"there is no series {series}: a TIFF file holds one image here, of all its pages; leave "
                "series out"
            )
        yield planes


def vendor_kind_of(file: StreamedFile) -> VendorKind | None:
    """Return the vendor's format of a file; None for TIFF and anything else."""
    with stream_of(file) as stream:
        return vendor_kind(read_head(stream))


def _open_set(
    files: NamedFiles, container: str, limits: ImageLimits, series: int | None
) -> AbstractContextManager[PlaneSource]:
    """Open an image of a set of files by the reader of its kind; `container` is what holds the set."""
    match require_set_kind(files, container):
        case "zarr":
            return open_zarr_planes(files, limits, series)
        case "tiff":
            return open_tiff_set(files, limits, series)
