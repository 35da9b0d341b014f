"""Planes of an image in an NDTiff folder."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import ResultFormat
from models_store.image_files.tiff.micro_manager import MAX_PAGES, plane_attributes
from models_store.image_files.tiff.ome import ome_can_hold
from models_store.image_files.tiff.result_metadata import needs_bigtiff, ome_metadata, pixels_per_cm
from models_store.image_files.tiff_sets.ndtiff_folder import NdtiffFolder
from models_store.image_files.tiff_sets.ndtiff_images import NdtiffImage


class NdtiffPlanes:
    """The PlaneSource of an image in an NDTiff folder."""

    def __init__(self, header: ImageHeader, image: NdtiffImage, folder: NdtiffFolder) -> None:
        self.header = header
        self._image = image
        self._folder = folder

    def __len__(self) -> int:
        return self.header.planes

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Read one plane. Raises ImageCorruptError if it is not in its file."""
        return self._folder.pixels(self._image.planes[index])

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[plane] for plane in range(len(self)))

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        """Return the metadata of a result with pixels of `dtype`: OME-TIFF, unless OME lacks its axes."""
        writer = {"bigtiff": needs_bigtiff(self.header, dtype)}
        page = {"photometric": "minisblack", **pixels_per_cm(self.header)}
        if not ome_can_hold(self.header.axes, dtype):
            return ResultFormat(writer, {"metadata": {"axes": self.header.axes}, **page})
        metadata = ome_metadata(self.header)
        if self._image.name:
            metadata["Name"] = self._image.name
        if len(self) <= MAX_PAGES and (
            attributes := plane_attributes([self._folder.metadata(plane) for plane in self._image.planes])
        ):
            metadata["Plane"] = attributes
        return ResultFormat({**writer, "ome": True}, {"metadata": metadata, **page})
