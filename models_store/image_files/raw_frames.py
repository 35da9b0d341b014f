"""Planes of files whose frames lie one after the other, without compression."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from models_store.errors import ImageCorruptError
from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import PlaceInFile, ResultFormat
from models_store.image_files.tiff.result_metadata import (
    MAX_TOLD_PLANES,
    needs_bigtiff,
    ome_metadata,
    pixels_per_cm,
)


class RawFrames:
    """The PlaneSource of frames from `start_bytes` of a stream on, with pixels of the type `stored`.

    `stride_bytes` leads from one frame to the next; None: there is nothing between them.
    """

    def __init__(
        self,
        stream: BinaryIO,
        header: ImageHeader,
        stored: np.dtype[Any],
        start_bytes: int,
        stride_bytes: int | None = None,
    ) -> None:
        self.header = header
        self._stream = stream
        self._stored = stored
        self._start_bytes = start_bytes
        self._stride_bytes = self._plane_bytes if stride_bytes is None else stride_bytes

    def __len__(self) -> int:
        return self.header.planes

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Read one plane. Raises ImageCorruptError if its bytes are missing."""
        plane = range(len(self))[index]
        shape_yx = (self.header.height_px, self.header.width_px)
        self._stream.seek(self._offset_bytes(plane))
        content = self._stream.read(self._plane_bytes)
        if len(content) != self._plane_bytes:
            raise ImageCorruptError(f"the file ends before plane {plane + 1}; copy it again")
        return np.frombuffer(content, self._stored).reshape(shape_yx).astype(self.header.dtype)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[plane] for plane in range(len(self)))

    def place_of(self, index: int) -> PlaceInFile:
        """Return where a plane is in the file."""
        plane = range(len(self))[index]
        behind = len(self) - 1 - plane if self._stride_bytes == self._plane_bytes else 0
        return PlaceInFile(self._offset_bytes(plane), self._stored.byteorder, behind)

    @property
    def _plane_bytes(self) -> int:
        return self.header.height_px * self.header.width_px * self._stored.itemsize

    def _offset_bytes(self, plane: int) -> int:
        return self._start_bytes + plane * self._stride_bytes

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        """Return the metadata of a result with pixels of `dtype`, an OME-TIFF."""
        metadata = ome_metadata(self.header)
        if self.header.time_interval_s is not None:
            metadata |= {"TimeIncrement": self.header.time_interval_s, "TimeIncrementUnit": "s"}
        exposures_s = {each.exposure_s for each in self.header.acquisition} - {None}
        if exposures_s and len(self) <= MAX_TOLD_PLANES:
            told = {"ExposureTime": [*exposures_s] * len(self), "ExposureTimeUnit": ["s"] * len(self)}
            metadata["Plane"] = told
        page = {"metadata": metadata, "photometric": "minisblack", **pixels_per_cm(self.header)}
        return ResultFormat({"bigtiff": needs_bigtiff(self.header, dtype), "ome": True}, page)
