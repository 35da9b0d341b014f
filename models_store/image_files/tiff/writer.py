"""Writer of results with the axes, pixel size, channels and other metadata of their source."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal
from uuid import uuid5

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffWriter

from models_store.image_files.planes import PlaneSource
from models_store.image_files.tiff.ome import NO_UUID
from models_store.whole_files import appearing_whole

_SOFTWARE = "ClearScope"
OutputType = Literal["float32", "same"]


def write_planes(
    path: Path, planes: Iterable[NDArray[Any]], *, like: PlaneSource, dtype: OutputType = "float32"
) -> None:
    """Write planes to a file as they arrive, one in memory at a time; the write is atomic.

    `planes`: as many (Y, X) arrays as `like` has, in the same order. `dtype` "same" rounds and clips to the
    dtype of `like`. Raises ValueError if the number or shape of the planes differs.
    """
    header = like.header
    stored = np.dtype(np.float32 if dtype == "float32" else header.dtype)
    form = like.result_format(stored)
    page = dict(form.page)
    has_uuid = str(NO_UUID).encode() in page.get("description", b"")
    if form.writer.get("ome"):
        has_uuid = True
        page = {**page, "metadata": {**page["metadata"], "UUID": str(NO_UUID)}}
    software = page.pop("software", _SOFTWARE)
    pixels = hashlib.sha256()
    stream = _converted(planes, stored, like)
    if has_uuid:
        stream = _hashed(stream, pixels.update)
    with appearing_whole(path) as unfinished:
        with TiffWriter(unfinished, **form.writer) as tiff:
            if form.pages:
                for plane_yx, own in zip(stream, form.pages, strict=False):
                    tiff.write(plane_yx, contiguous=False, software=software, **{**page, **own})
            else:
                tiff.write(stream, shape=header.shape, dtype=stored, software=software, **page)
        next(stream, None)  # the writer stops at the last expected plane; raises if there are more
        if has_uuid:
            _set_uuid(unfinished, pixels.digest())


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


def _converted(
    planes: Iterable[NDArray[Any]], dtype: np.dtype[Any], like: PlaneSource
) -> Iterator[NDArray[Any]]:
    shape = (like.header.height_px, like.header.width_px)
    for plane_yx, _ in zip(planes, range(len(like)), strict=True):
        if plane_yx.shape != shape:
            raise ValueError(f"a plane of the result has the shape {plane_yx.shape}; the image has {shape}")
        yield as_dtype(plane_yx, dtype)


def _hashed(planes: Iterator[NDArray[Any]], update: Callable[[memoryview], None]) -> Iterator[NDArray[Any]]:
    for plane_yx in planes:
        update(np.ascontiguousarray(plane_yx).data)
        yield plane_yx


def as_dtype(plane_yx: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a plane converted to `dtype`; for integers, values are rounded and clipped."""
    if dtype.kind == "f" or plane_yx.dtype == dtype:
        return plane_yx.astype(dtype)
    lowest, highest = (0.0, 1.0) if dtype.kind == "b" else _range(dtype)
    return np.clip(np.rint(plane_yx.astype(np.float64)), lowest, highest).astype(dtype)


def _range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the limits of an integer type as floats that convert back without overflow."""
    limits = np.iinfo(dtype)
    highest = float(limits.max)
    return float(limits.min), highest if int(highest) <= limits.max else float(np.nextafter(highest, 0))
