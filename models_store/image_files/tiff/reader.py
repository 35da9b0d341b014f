"""Reader of TIFF files, one plane at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPageSeries

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits
from models_store.image_files.planes import ResultFormat
from models_store.image_files.tiff.ifd_chain import check_ifd_chain
from models_store.image_files.tiff.inspect import read_header
from models_store.image_files.tiff.result_format import result_format
from models_store.image_files.tiff.tiff_file import image_series, open_tiff, raising_image_corrupt


class TiffPlanes:
    """The PlaneSource of a TIFF file."""

    def __init__(self, tiff: TiffFile, series: TiffPageSeries, header: ImageHeader) -> None:
        self.header = header
        self._tiff = tiff
        self._series = series
        # Set if all pixels are contiguous, as in ImageJ's stacks over 4 GB, which describe only one plane.
        self._contiguous_offset = series.dataoffset

    def __len__(self) -> int:
        return self.header.planes

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Decode one plane. Raises ImageCorruptError if its bytes are missing or broken."""
        plane = range(len(self))[index]
        with raising_image_corrupt(f"plane {plane} cannot be decoded"):
            plane_yx = (
                self._decode_page(plane) if self._contiguous_offset is None else self._read_contiguous(plane)
            )
        shape = (self.header.height_px, self.header.width_px)
        if plane_yx.shape != shape:
            raise ImageCorruptError(f"plane {plane} decodes to the shape {plane_yx.shape}, expected {shape}")
        return plane_yx

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[plane] for plane in range(len(self)))

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        """Return the TIFF flavour and metadata of a result with pixels of `dtype`."""
        return result_format(self._tiff, self.header, dtype)

    def _read_contiguous(self, plane: int) -> NDArray[Any]:
        header = self.header
        stored = self._series.dtype.newbyteorder(self._tiff.byteorder)
        plane_bytes = header.height_px * header.width_px * stored.itemsize
        self._tiff.filehandle.seek((self._contiguous_offset or 0) + plane * plane_bytes)
        content = self._tiff.filehandle.read(plane_bytes)
        if len(content) < plane_bytes:
            raise _incomplete(plane)
        values = np.frombuffer(content, stored).astype(stored.newbyteorder("="), copy=False)
        return values.reshape(header.height_px, header.width_px)

    def _decode_page(self, plane: int) -> NDArray[Any]:
        page = self._series[plane]
        if page is None:
            raise ImageUnsupportedError(
                f"plane {plane} is not in this file; join the files of the series first"
            )
        size_bytes = self._tiff.filehandle.size
        if len(page.dataoffsets) != len(page.databytecounts):
            raise _incomplete(plane)
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if not (isinstance(offset, int) and isinstance(count, int)):
                raise ImageCorruptError(
                    f"plane {plane} is broken: the offset of its pixels is not an integer"
                )
            if offset <= 0 or count <= 0 or offset + count > size_bytes:
                raise _incomplete(plane)
        # Threads do not speed up single planes, and the sandbox forbids them.
        return page.asarray(maxworkers=1)


def _incomplete(plane: int) -> ImageCorruptError:
    return ImageCorruptError(f"plane {plane} is incomplete: some pixels are not in the file")


@contextmanager
def open_planes(file: Path | int, limits: ImageLimits = DEFAULT_LIMITS) -> Iterator[TiffPlanes]:
    """Open an image file, given by path or descriptor; raises the errors of `inspect_image`."""
    check_ifd_chain(file, max_pages=limits.planes)
    with open_tiff(file) as tiff:
        header = read_header(tiff, limits)
        with raising_image_corrupt("the pixels of the TIFF file cannot be located"):
            planes = TiffPlanes(tiff, image_series(tiff), header)
        yield planes
