"""Reader of OME-Zarr images, one plane at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from models_store.errors import ImageUnsupportedError
from models_store.image_files.header import ImageLimits
from models_store.image_files.planes import PlaneSource
from models_store.image_files.sets.named_files import NamedFiles


@contextmanager
def open_zarr_planes(files: NamedFiles, limits: ImageLimits, series: int | None) -> Iterator[PlaneSource]:
    """Open an image of an OME-Zarr hierarchy."""
    raise ImageUnsupportedError(
        f"this is an OME-Zarr of {len(files.names)} files ({limits}, {series}), not read yet; export "
        "it as OME-TIFF"
    )
