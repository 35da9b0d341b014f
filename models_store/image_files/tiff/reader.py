"""Reader of TIFF files, one plane at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffFrame, TiffPage

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.file_streams import StreamedFile
from models_store.image_files.header import DEFAULT_LIMITS, ImageLimits
from models_store.image_files.planes import PlaceInFile, ResultFormat
from models_store.image_files.tiff.ifd_chain import check_ifd_chain
from models_store.image_files.tiff.inspect import TiffImage, read_image
from models_store.image_files.tiff.result_format import result_format
from models_store.image_files.tiff.stack import Page
from models_store.image_files.tiff.tiff_file import open_tiff, raising_image_corrupt


class TiffPlanes:
    """The PlaneSource of a TIFF file."""

    def __init__(self, tiff: TiffFile, image: TiffImage, *, in_archive: bool = False) -> None:
        """`in_archive`: the TIFF is within another file, so that its offsets are not those of the file."""
        self.header = image.header
        self._in_archive = in_archive
        self._tiff = tiff
        self._image = image
        self._stack = image.stack

    def __len__(self) -> int:
        return self.header.planes

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Decode one plane. Raises ImageCorruptError if its bytes are missing or broken."""
        plane = range(len(self))[index]
        contiguous = self._contiguous_offset is not None
        with raising_image_corrupt(f"plane {plane + 1} cannot be decoded"):
            page, decoded = self._read_contiguous(plane) if contiguous else self._decode_page(plane)
        if decoded.dtype != self._stack.keyframe.dtype:
            raise ImageCorruptError(
                f"plane {plane + 1} decodes to {decoded.dtype}, expected {self._stack.keyframe.dtype}; "
                "copy the file again, or save it anew"
            )
        plane_yx = self._image.values.of(decoded, page, plane)
        shape = (self.header.height_px, self.header.width_px)
        if plane_yx.shape != shape:
            raise ImageCorruptError(
                f"plane {plane + 1} decodes to the shape {plane_yx.shape}, expected {shape}; copy the file "
                "again, or save it anew"
            )
        return plane_yx

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[plane] for plane in range(len(self)))

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        """Return the TIFF flavour and metadata of a result with pixels of `dtype`."""
        return result_format(self._tiff, self._image, dtype)

    def place_of(self, index: int) -> PlaceInFile | None:
        """Return where a plane is in the file; None if it is compressed, scattered or converted."""
        plane = range(len(self))[index]
        if (
            self._in_archive
            or not self._image.values.as_decoded
            or self._stack.keyframe.dtype != self.header.dtype
        ):
            return None
        if self._contiguous_offset is not None:
            offset_bytes = self._contiguous_offset + plane * self._plane_bytes
            return PlaceInFile(offset_bytes, self._tiff.byteorder, len(self) - 1 - plane)
        index, sample = divmod(plane, self._stack.samples)
        with raising_image_corrupt(f"plane {plane + 1} cannot be decoded"):
            start = _start_of(self._stack.pages[index], self._stack.keyframe)
        if start is None:
            return None
        following = self._stack.samples - 1 - sample
        return PlaceInFile(start + sample * self._plane_bytes, self._tiff.byteorder, following)

    @property
    def _contiguous_offset(self) -> int | None:
        """Where the pixels of all planes begin if they are contiguous and have one sample."""
        return None if self._image.values.equal_samples else self._stack.contiguous_offset

    @property
    def _plane_bytes(self) -> int:
        return self.header.height_px * self.header.width_px * np.dtype(self._stack.keyframe.dtype).itemsize

    def _read_contiguous(self, plane: int) -> tuple[TiffPage, NDArray[Any]]:
        header, keyframe = self.header, self._stack.keyframe
        stored = np.dtype(keyframe.dtype).newbyteorder(self._tiff.byteorder)
        self._tiff.filehandle.seek((self._contiguous_offset or 0) + plane * self._plane_bytes)
        content = self._tiff.filehandle.read(self._plane_bytes)
        if len(content) < self._plane_bytes:
            raise _incomplete(plane)
        values = np.frombuffer(content, stored).astype(stored.newbyteorder("="), copy=False)
        return keyframe, values.reshape(header.height_px, header.width_px)

    def _decode_page(self, plane: int) -> tuple[TiffPage, NDArray[Any]]:
        index, sample = divmod(plane, self._stack.samples)
        page = self._stack.pages[index]
        if page is None:
            raise ImageUnsupportedError(
                f"plane {plane + 1} is not in this file but in another one of its set; pack all files of "
                "the set into one ZIP archive, or name their folder"
            )
        decoded = decode_page(page, plane, self._tiff.filehandle.size)
        return self._stack.keyframe, decoded[sample] if self._stack.samples > 1 else decoded


def _start_of(page: Page, keyframe: TiffPage) -> int | None:
    """Return where the pixels of a page begin; None unless they are contiguous and like the first page's."""
    if page is None or not page.is_final or (page.dtype, page.shape) != (keyframe.dtype, keyframe.shape):
        return None
    # A page whose strips are of another length is left to its decoder, which tells what is wrong.
    start: int = page.dataoffsets[0]
    return start if sum(page.databytecounts) == keyframe.nbytes and start > 0 else None


def decode_page(page: TiffPage | TiffFrame, plane: int, size_bytes: int) -> NDArray[Any]:
    """Decode a page of a file of this size. Raises ImageCorruptError if its data are not within the file."""
    if len(page.dataoffsets) != len(page.databytecounts):
        raise _incomplete(plane)
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if not (isinstance(offset, int) and isinstance(count, int)):
            raise ImageCorruptError(
                f"plane {plane + 1} is broken: the place of its pixels is not an integer; copy the file again"
            )
        if offset <= 0 or count <= 0 or offset + count > size_bytes:
            raise _incomplete(plane)
    # Threads do not speed up single planes, and the sandbox forbids them.
    decoded: NDArray[Any] = page.asarray(maxworkers=1)
    return decoded


def _incomplete(plane: int) -> ImageCorruptError:
    return ImageCorruptError(
        f"plane {plane + 1} is incomplete: some of its pixels are not in the file; copy the file again"
    )


@contextmanager
def open_planes(file: StreamedFile, limits: ImageLimits = DEFAULT_LIMITS) -> Iterator[TiffPlanes]:
    """Open an image file; raises the errors of `inspect_image`."""
    chain = check_ifd_chain(file, max_pages=limits.planes)
    with open_tiff(file) as tiff:
        yield TiffPlanes(tiff, read_image(tiff, chain, limits))
