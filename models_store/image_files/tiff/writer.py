"""Writer of TIFF results with the axes, pixel size, channels and other metadata of their source."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from uuid import uuid5

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffWriter

from models_store.contracts.vocabulary import OutputDtype, TiffCompression
from models_store.errors import JobFailedError
from models_store.image_files.pixel_conversion import PixelConversion
from models_store.image_files.planes import PlaneSource, ResultFormat
from models_store.image_files.tiff.ome import NO_UUID
from models_store.whole_files import appearing_whole

OutputType = Literal["float32", "same"]
_SOFTWARE = "ClearScope"
_TILE_PX = 512
_CODECS = {TiffCompression.DEFLATE: "zlib", TiffCompression.ZSTD: "zstd"}


def write_planes(
    path: Path, planes: Iterable[NDArray[Any]], *, like: PlaneSource, dtype: OutputType = "float32"
) -> None:
    """Write planes to a file of the format of their source; the write is atomic.

    `planes`: as many (Y, X) arrays as `like` has, in the same order. `dtype` "same" rounds and clips to the
    dtype of `like`. Raises ValueError if the number or shape of the planes differs.
    """
    pixels = PixelConversion.to(OutputDtype(dtype), like)
    with appearing_whole(path) as unfinished:
        write_tiff(unfinished, planes, like, like.result_format(pixels.dtype), pixels)


def write_tiff(
    path: Path, planes: Iterable[NDArray[Any]], like: PlaneSource, form: ResultFormat, pixels: PixelConversion
) -> None:
    """Write planes to a file of a given format as they arrive, one in memory at a time."""
    page = dict(form.page)
    has_uuid = str(NO_UUID).encode() in page.get("description", b"")
    if form.writer.get("ome"):
        has_uuid = True
        page = {**page, "metadata": {**page["metadata"], "UUID": str(NO_UUID)}}
    software = page.pop("software", _SOFTWARE)
    digest = hashlib.sha256()
    stream = pixels.planes(planes, like)
    if has_uuid:
        stream = _hashed(stream, digest.update)
    with TiffWriter(path, **form.writer) as tiff:
        if form.pages:
            for plane_yx, own in zip(stream, form.pages, strict=False):
                tiff.write(plane_yx, contiguous=False, software=software, **{**page, **own})
        else:
            if "tile" in page:
                stream = _tiles(stream, *page["tile"])
            tiff.write(stream, shape=like.header.shape, dtype=pixels.dtype, software=software, **page)
    next(stream, None)  # the writer stops at the last expected plane; raises if there are more
    if has_uuid:
        _set_uuid(path, digest.digest())


def with_pixels_stored_as(
    form: ResultFormat, plane_shape: tuple[int, int], compression: TiffCompression, *, tiled: bool
) -> ResultFormat:
    """Return a format with compressed or tiled pixels; raise JobFailedError if its readers do not open such.

    Tiles are for large planes (Y, X); ImageJ opens none.
    """
    is_imagej = bool(form.writer.get("imagej"))
    if is_imagej and (compression is TiffCompression.ZSTD or tiled):
        raise JobFailedError(
            "ImageJ opens neither tiles nor zstd, and the image is an ImageJ file; ask for deflate without "
            "tiles, or for the output format ome-tiff"
        )
    more: Mapping[str, Any] = {}
    if tiled:
        more = {"tile": tuple(min(_TILE_PX, -(-side_px // 16) * 16) for side_px in plane_shape)}
    if compression is not TiffCompression.NONE:
        more = {**more, "compression": _CODECS[compression], "predictor": True}
    return ResultFormat(form.writer, {**form.page, **more}, form.pages)


def _set_uuid(path: Path, pixels_sha256: bytes) -> None:
    """Set the UUID of an OME file to a digest of its content, so that equal results are identical files."""
    with TiffFile(path) as tiff:
        description = tiff.pages.first.tags["ImageDescription"]
        offset, length = description.valueoffset, description.count
    with path.open("r+b") as file:
        file.seek(offset)
        xml = file.read(length)
        made = uuid5(NO_UUID, hashlib.sha256(xml + pixels_sha256).hexdigest())
        file.seek(offset)
        file.write(xml.replace(str(NO_UUID).encode(), str(made).encode()))


def _tiles(planes: Iterator[NDArray[Any]], tile_height_px: int, tile_width_px: int) -> Iterator[NDArray[Any]]:
    """Yield the tiles of planes row by row, as the library takes them; those at the borders are smaller."""
    for plane_yx in planes:
        height_px, width_px = plane_yx.shape
        for top in range(0, height_px, tile_height_px):
            for left in range(0, width_px, tile_width_px):
                yield plane_yx[top : top + tile_height_px, left : left + tile_width_px]


def _hashed(planes: Iterator[NDArray[Any]], update: Callable[[memoryview], None]) -> Iterator[NDArray[Any]]:
    for plane_yx in planes:
        update(np.ascontiguousarray(plane_yx).data)
        yield plane_yx
