"""The folder of an OME-Zarr, written plane by plane."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec
from zarr.storage import LocalStore, ZipStore

from models_store.image_files.header import ImageHeader
from models_store.image_files.pixel_conversion import PixelConversion
from models_store.image_files.planes import PlaneSource
from models_store.image_files.results.described import Description
from models_store.image_files.results.ome_zarr.layout import ZarrLayout
from models_store.image_files.results.ome_zarr.levels import level_shapes, levels_of
from models_store.image_files.results.ome_zarr.metadata import VERSION, Window, image_attributes
from models_store.image_files.results.ome_zarr.ome_xml import ome_xml
from models_store.image_files.results.plane_records import plane_records
from models_store.image_files.zarr.images import OME_GROUP, OME_XML

_ZSTD_LEVEL = 3
_NAME = "image"
PLANES = "clearscope/planes"
"""Attribute of an image: times, exposures and stage positions of planes, for which OME-Zarr has no place."""


def write_hierarchy(
    folder: Path,
    planes: Iterable[NDArray[Any]],
    like: PlaneSource,
    pixels: PixelConversion,
    attributes: Callable[[], Mapping[str, Any]],
) -> None:
    """Write planes (Y, X) as OME-Zarr into an empty folder, with those of one shard in memory.

    Positions become images of their own, `0`, `1`..., in the order of the source. `attributes`: returns
    further ones of the root when all planes are written. Raises ValueError like `PixelConversion.planes`,
    and JobFailedError for unknown axes.
    """
    header = like.header
    layout = ZarrLayout.of(header)
    form = like.result_format(pixels.dtype)
    known = Description.of(header, form)
    root = zarr.open_group(LocalStore(folder), mode="w", zarr_format=3)
    alone = layout.images == 1
    images = [
        _Image(root if alone else root.create_group(str(number)), layout, pixels.dtype)
        for number in range(layout.images)
    ]
    for plane, plane_yx in enumerate(pixels.planes(planes, like)):
        number, place = layout.place(plane)
        images[number].add(place, plane_yx)
    for number, image in enumerate(images):
        name = known.name or _NAME
        image.finish(
            image_attributes(
                name if alone else f"{name} {number}",
                layout.axes,
                image.level_shapes,
                header,
                known,
                image.windows,
            )
        )
    for number, records in enumerate(_by_image(plane_records(header, form), layout)):
        if records:
            images[number].group.attrs[PLANES] = records
    xml = ome_xml(like, layout, pixels.dtype, known.name or _NAME)
    beside = root.create_group(OME_GROUP) if xml is not None or not alone else None
    if beside is not None and not alone:
        root.attrs["ome"] = {"version": VERSION, "bioformats2raw.layout": 3}
        series = [str(number) for number in range(layout.images)]
        beside.attrs["ome"] = {"version": VERSION, "series": series}
    if xml is not None:
        (folder / OME_GROUP / OME_XML).write_bytes(xml)
    root.attrs.update(attributes())


def _by_image(records: Mapping[str, Sequence[float]], layout: ZarrLayout) -> list[dict[str, list[float]]]:
    """Return the records of each image's planes, in the order of its axes T, C and Z."""
    count = prod(layout.shape[:-2])
    found = [{name: [0.0] * count for name in records} for _ in range(layout.images)]
    for plane in range(count * layout.images if records else 0):
        number, place = layout.place(plane)
        at = int(np.ravel_multi_index(place, layout.shape[:-2])) if place else 0
        for name, values in records.items():
            found[number][name][at] = values[plane]
    return found


def read_plane(path: Path, source: ImageHeader, plane: int) -> NDArray[Any]:
    """Read a plane (Y, X) of a folder or ZIP file that this module has written for an image `source`."""
    layout = ZarrLayout.of(source)
    image, place = layout.place(plane)
    name = "0" if layout.images == 1 else f"{image}/0"
    store = LocalStore(path, read_only=True) if path.is_dir() else ZipStore(path, mode="r")
    array = zarr.open_array(store, path=name, mode="r")
    return np.asarray(array[place])


@dataclass
class _Image:
    """Arrays of an image, one for each level, and the planes of an unfinished shard."""

    group: zarr.Group
    layout: ZarrLayout
    dtype: np.dtype[Any]
    windows: Sequence[Window] = ()
    level_shapes: list[tuple[int, int]] = field(default_factory=list)
    _arrays: list[zarr.Array[Any]] = field(default_factory=list)
    _waiting: list[NDArray[Any]] = field(default_factory=list)
    _first: tuple[int, ...] = ()
    """Place of the first waiting plane."""

    def __post_init__(self) -> None:
        layout = self.layout
        self.windows = [Window() for _ in range(layout.length("C"))]
        self.level_shapes = level_shapes(*layout.plane_shape)
        self._shard = layout.planes_of_shard(int(np.prod(layout.plane_shape)) * self.dtype.itemsize)
        for level, shape_yx in enumerate(self.level_shapes):
            self._arrays.append(
                self.group.create_array(
                    str(level),
                    shape=layout.shape[:-2] + shape_yx,
                    chunks=layout.chunk_of(shape_yx),
                    shards=layout.shard_of(shape_yx, self._shard),
                    dtype=self.dtype,
                    compressors=[ZstdCodec(level=_ZSTD_LEVEL)],
                    fill_value=0,
                    dimension_names=[axis.lower() for axis in layout.axes],
                    # A chunk that is missing would be one that was never written, not a dark one.
                    config={"write_empty_chunks": True},
                )
            )

    def add(self, place: tuple[int, ...], plane_yx: NDArray[Any]) -> None:
        """Take the next plane, and write those of its shard if it is the last of them."""
        channel = place[self.layout.axes.index("C")] if "C" in self.layout.axes else 0
        self.windows[channel].add(plane_yx)
        if not self._waiting:
            self._first = place
        self._waiting.append(plane_yx)
        fastest = self.layout.fastest
        last = fastest is None or place[fastest] + 1 == self.layout.shape[fastest]
        if last or len(self._waiting) == self._shard:
            self._write()

    def finish(self, ome: Mapping[str, Any]) -> None:
        self.group.attrs["ome"] = dict(ome)

    def _write(self) -> None:
        levels = zip(*(levels_of(plane_yx, len(self._arrays)) for plane_yx in self._waiting), strict=True)
        for array, planes in zip(self._arrays, levels, strict=True):
            where: list[int | slice] = list(self._first)
            if (fastest := self.layout.fastest) is not None:
                where[fastest] = slice(self._first[fastest], self._first[fastest] + len(planes))
                array[tuple(where)] = np.stack(planes)
            else:
                array[tuple(where)] = planes[0]
        self._waiting.clear()
