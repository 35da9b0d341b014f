"""Writing a result so that it opens like its source: same axes, pixel size, channels and other metadata."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffWriter

from models_store.image_files.planes import PlaneSource
from models_store.whole_files import appearing_whole

OutputType = Literal["float32", "same"]


def write_planes(
    path: Path, planes: Iterable[NDArray[Any]], *, like: PlaneSource, dtype: OutputType = "float32"
) -> None:
    """Write planes as they come, one in memory at a time; the file appears at `path` when it is complete.

    planes: as many (Y, X) arrays as `like` has, in its order. "same" rounds and clips to the dtype of `like`.
    Raises ValueError for planes of another number or shape.
    """
    header = like.header
    stored = np.dtype(np.float32 if dtype == "float32" else header.dtype)
    form = like.result_format(stored)
    stream = _converted(planes, stored, like)
    with appearing_whole(path) as unfinished:
        with TiffWriter(unfinished, **form.writer) as tiff:
            tiff.write(
                stream,
                shape=header.shape,
                dtype=stored,
                photometric="minisblack",
                software="ClearScope",
                **form.page,
            )
        next(stream, None)  # the writer stops at the last plane that it expects: there must be no more


def _converted(
    planes: Iterable[NDArray[Any]], dtype: np.dtype[Any], like: PlaneSource
) -> Iterator[NDArray[Any]]:
    shape = (like.header.height_px, like.header.width_px)
    for plane_yx, _ in zip(planes, range(len(like)), strict=True):
        if plane_yx.shape != shape:
            raise ValueError(f"A plane of the result has the shape {plane_yx.shape}; the image has {shape}.")
        yield as_dtype(plane_yx, dtype)


def as_dtype(plane_yx: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert values; to integers they are rounded and clipped."""
    if dtype.kind == "f" or plane_yx.dtype == dtype:
        return plane_yx.astype(dtype)
    lowest, highest = (0.0, 1.0) if dtype.kind == "b" else _range(dtype)
    return np.clip(np.rint(plane_yx.astype(np.float64)), lowest, highest).astype(dtype)


def _range(dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the limits of an integer type as floats that convert back without overflow."""
    limits = np.iinfo(dtype)
    highest = float(limits.max)
    return float(limits.min), highest if int(highest) <= limits.max else float(np.nextafter(highest, 0))
