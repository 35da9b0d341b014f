"""Opening of image files of any format, which their content tells."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models_store.errors import ImageSeriesError
from models_store.image_files.header import DEFAULT_LIMITS, ImageLimits
from models_store.image_files.planes import PlaneSource
from models_store.image_files.signatures import read_head, vendor_kind
from models_store.image_files.tiff.reader import open_planes as open_tiff_planes
from models_store.image_files.vendor.planes import open_vendor_planes


@contextmanager
def open_planes(
    file: Path | int, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
) -> Iterator[PlaneSource]:
    """Open an image of a file, given by path or descriptor; `series` is its number if there are several.

    Raises the errors of `inspect_image`, and ImageSeriesError.
    """
    with open(file, "rb", closefd=isinstance(file, Path)) as stream:  # a descriptor has no path
        kind = vendor_kind(read_head(stream))
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
