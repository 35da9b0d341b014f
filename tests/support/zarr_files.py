"""OME-Zarr images, written with zarr-python into a folder or a ZIP archive."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore, ZipStore

_TYPES = {"t": "time", "c": "channel"}
_UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}
STEPS = {"t": 2.0, "c": 1.0, "z": 0.5, "y": 0.11, "x": 0.1}


def described(axes: str, path: str = "0", **more: Any) -> dict[str, Any]:
    """Return the OME description of an image with these axes and STEPS, whose array is at a path."""
    return {
        "axes": [
            {"name": axis, "type": _TYPES.get(axis, "space")}
            | ({"unit": _UNITS[axis]} if axis in _UNITS else {})
            for axis in axes
        ],
        "datasets": [
            {
                "path": path,
                "coordinateTransformations": [{"type": "scale", "scale": [STEPS[axis] for axis in axes]}],
            }
        ],
        **more,
    }


def attributes_of(zarr_format: int, *multiscales: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return the attributes of a group of images, of OME-Zarr 0.4 or 0.5."""
    if zarr_format == 2:
        return {"multiscales": [{"version": "0.4", **each} for each in multiscales], **more}
    return {"ome": {"version": "0.5", "multiscales": [*multiscales], **more}}


def open_store(path: Path) -> LocalStore | ZipStore:
    """Return a store for a new Zarr: an archive if the name ends so, else a folder."""
    return ZipStore(path, mode="w") if path.suffix in {".zip", ".ozx"} else LocalStore(path)


def add_image(
    group: zarr.Group,
    pixels: NDArray[Any],
    path: str = "0",
    *,
    written: Sequence[Any] = (...,),
    **options: Any,
) -> None:
    """Write the array of an image, or parts of it that are given by their indices."""
    array = group.create_array(path, shape=pixels.shape, dtype=pixels.dtype, **options)
    for part in written:
        array[part] = pixels[part]


def write_ome_zarr(
    path: Path,
    pixels: NDArray[Any],
    axes: str,
    *,
    zarr_format: int = 3,
    array: str = "0",
    written: Sequence[Any] = (...,),
    ome: dict[str, Any] | None = None,
    **options: Any,
) -> Path:
    """Write an image; `ome` has more attributes of its group, `options` those of the array."""
    store = open_store(path)
    attributes = attributes_of(zarr_format, described(axes, array, name="cells"), **(ome or {}))
    group = zarr.open_group(store, mode="w", zarr_format=3 if zarr_format == 3 else 2, attributes=attributes)
    add_image(group, pixels, array, written=written, **options)
    store.close()
    return path
