"""Reader of the images of an OME-Zarr, one plane at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits
from models_store.image_files.images_in_file import ImagesInFile
from models_store.image_files.planes import ResultFormat
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.zarr.assembly import PlaneAssembly
from models_store.image_files.zarr.hierarchy import Hierarchy
from models_store.image_files.zarr.kept_planes import KeptPlanes
from models_store.image_files.zarr.result_format import result_format
from models_store.image_files.zarr.series import ZarrSeries, open_image
from models_store.image_files.zarr.zarr_image import ZarrImage


class ZarrPlanes:
    """The PlaneSource of an image, at full resolution."""

    def __init__(
        self, image: ZarrImage, kept: KeptPlanes, header: ImageHeader, assembly: PlaneAssembly
    ) -> None:
        self.header = header
        self._image = image
        self._kept = kept
        self._assembly = assembly

    def __len__(self) -> int:
        return self.header.planes

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Decode one plane. Raises ImageCorruptError if a chunk of it is broken.

        What was never written is not a number, or the array's fill value if its values are integers.
        """
        return self._assembly.plane(self._kept.place(range(len(self))[index]))

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[plane] for plane in range(len(self)))

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        """Return the metadata of a result with pixels of `dtype`, an OME-TIFF."""
        return result_format(self._image.name, self.header, dtype)


@contextmanager
def open_zarr_planes(
    files: NamedFiles, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
) -> Iterator[ZarrPlanes]:
    """Open an image of an OME-Zarr 0.4 or 0.5; `series` is its number if there are several.

    Raises ImageUnsupportedError, ImageCorruptError, ImageContentError, ImageTooLargeError and
    ImageSeriesError.
    """
    images = ZarrSeries(Hierarchy(files), limits)
    number = images.chosen(series)
    opened = open_image(images.hierarchy, images.read(number))
    header = images.told(opened.header, number, series)
    yield ZarrPlanes(opened.image, opened.kept, header, PlaneAssembly(opened.chunks))


def list_zarr_images(files: NamedFiles, limits: ImageLimits = DEFAULT_LIMITS) -> ImagesInFile:
    """List the images of an OME-Zarr; raises like `open_zarr_planes` if none is usable."""
    return ZarrSeries(Hierarchy(files), limits).list()
