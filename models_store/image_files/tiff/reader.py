"""The planes of an image file, one at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPageSeries

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits
from models_store.image_files.tiff.ifd_chain import check_ifd_chain
from models_store.image_files.tiff.inspect import read_header
from models_store.image_files.tiff.tiff_file import BROKEN_FILE_ERRORS, image_series, open_tiff


class PlaneReader:
    """A sequence of (Y, X) arrays in the file's own dtype, in native byte order.

    Each access reads from the file; nothing is kept. For one thread at a time.
    """

    def __init__(self, tiff: TiffFile, series: TiffPageSeries, header: ImageHeader) -> None:
        self.header = header
        self.tiff = tiff
        self._series = series
        # Set where all pixels lie in one run, as in ImageJ's stacks over 4 GB, which describe only one plane.
        self._run_offset = series.dataoffset

    def __len__(self) -> int:
        return self.header.planes

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Decode one plane; ImageCorruptError if its bytes are missing or broken."""
        plane = range(len(self))[index]
        try:
            plane_yx = self._decode_page(plane) if self._run_offset is None else self._read_run(plane)
        except BROKEN_FILE_ERRORS as error:
            raise ImageCorruptError(f"Plane {plane} cannot be decoded: {error}") from error
        if plane_yx.shape != (self.header.height_px, self.header.width_px):
            raise ImageCorruptError(f"Plane {plane} decodes to the shape {plane_yx.shape}, not the image's.")
        return plane_yx

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[plane] for plane in range(len(self)))

    def _read_run(self, plane: int) -> NDArray[Any]:
        header = self.header
        stored = self._series.dtype.newbyteorder(self.tiff.byteorder)
        plane_bytes = header.height_px * header.width_px * stored.itemsize
        self.tiff.filehandle.seek((self._run_offset or 0) + plane * plane_bytes)
        content = self.tiff.filehandle.read(plane_bytes)
        values = np.frombuffer(content, stored).astype(stored.newbyteorder("="))
        return values.reshape(header.height_px, header.width_px)

    def _decode_page(self, plane: int) -> NDArray[Any]:
        page = self._series[plane]
        if page is None:
            raise ImageUnsupportedError(
                f"Plane {plane} is not in this file; join the files of the series first."
            )
        size_bytes = self.tiff.filehandle.size
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if offset <= 0 or count <= 0 or offset + count > size_bytes:
                raise ImageCorruptError(f"Plane {plane} is incomplete: some pixels are not in the file.")
        return page.asarray()


@contextmanager
def open_planes(path: Path, limits: ImageLimits = DEFAULT_LIMITS) -> Iterator[PlaneReader]:
    """Open an image file for reading plane by plane; raises as `inspect_image`."""
    check_ifd_chain(path, max_pages=limits.planes)
    with open_tiff(path) as tiff:
        header = read_header(tiff, limits)
        try:
            planes = PlaneReader(tiff, image_series(tiff), header)
        except BROKEN_FILE_ERRORS as error:
            raise ImageCorruptError(f"The pixels of the TIFF file cannot be found: {error}") from error
        yield planes
