"""A small file or set of each kind that is read, written from the same kind of pixels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import tifffile
from numpy.typing import NDArray

from tests.support.dcimg_files import FRAMED, PACKED, write_dcimg
from tests.support.dm_files import write_dm
from tests.support.imaris_files import write_ims
from tests.support.lif_files import LifImage, write_lif
from tests.support.mmstack_files import Part, mmstack
from tests.support.ndtiff_files import Plane, ndtiff_folder
from tests.support.oib_files import write_oib
from tests.support.oir_files import write_oir
from tests.support.sif_files import write_sif
from tests.support.spe_files import write_spe, write_spe3
from tests.support.tiff_sets import Files, ome_set, tiff_with, unpacked, zipped
from tests.support.zarr_files import write_ome_zarr

Pixels = NDArray[np.uint16]
LENGTHS = {"I": 6, "T": 2, "C": 2, "Z": 3, "Y": 32, "X": 40}
CHANNELS = ("DAPI", "Cy5")


@dataclass(frozen=True)
class ReaderKind:
    """A kind of files: name of an example, its axes, and how pixels with these axes are written."""

    name: str
    axes: str
    write: Callable[[Path, Pixels], Path]

    def pixels(self, **lengths: int) -> Pixels:
        """Return noise with the axes of the kind; each plane differs."""
        shape = [(LENGTHS | lengths)[axis] for axis in self.axes]
        return np.random.default_rng(5).integers(90, 4000, shape).astype(np.uint16)

    def written(self, folder: Path, **lengths: int) -> tuple[Path, Pixels]:
        """Write an example into a new folder; return its path and its planes (number, Y, X)."""
        folder.mkdir(parents=True)
        pixels = self.pixels(**lengths)
        return self.write(folder / self.name, pixels), pixels.reshape(-1, *pixels.shape[-2:])


def _tiff(**options: Any) -> Callable[[Path, Pixels], Path]:
    def write(path: Path, pixels: Pixels) -> Path:
        tifffile.imwrite(path, pixels, photometric="minisblack", **options)
        return path

    return write


def _pages(path: Path, pixels: Pixels) -> Path:
    with tifffile.TiffWriter(path) as tiff:
        for plane in pixels:
            tiff.write(plane, contiguous=False, photometric="minisblack", metadata=None)
    return path


def _imagej(path: Path, pixels: Pixels) -> Path:
    metadata = {"axes": "TZCYX", "spacing": 0.5, "unit": "um", "finterval": 2.0}
    tifffile.imwrite(path, pixels, imagej=True, resolution=(10, 5), metadata=metadata)
    return path


def _ims(path: Path, pixels: Pixels) -> Path:
    return write_ims(path, pixels, (0.1, 0.2, 0.5), CHANNELS)


def _lif(path: Path, pixels: Pixels) -> Path:
    image = LifImage("cells", "TCZYX", pixels, {"X": 0.1, "Y": 0.2, "Z": 0.5}, ("Green", "Red"))
    return write_lif(path, [image])


def _dm(version: int) -> Callable[[Path, Pixels], Path]:
    def write(path: Path, pixels: Pixels) -> Path:
        return write_dm(path, pixels, (0.1, 0.2, 0.5), ("µm",) * 3, version=version)

    return write


def _of_fluoview(write: Callable[..., Path]) -> Callable[[Path, Pixels], Path]:
    return lambda path, pixels: write(path, pixels, (0.1, 0.2, 0.5), CHANNELS)


def _dcimg(version: int) -> Callable[[Path, Pixels], Path]:
    return lambda path, pixels: write_dcimg(path, pixels, version)


def _mrc(path: Path, pixels: Pixels) -> Path:
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(pixels)
        file.voxel_size = (1000, 2000, 5000)  # Angstrom along X, Y and Z
    return path


def _zarr(*, zarr_format: int = 3, sharded: bool = False) -> Callable[[Path, Pixels], Path]:
    def write(path: Path, pixels: Pixels) -> Path:
        depths, height, width = pixels.shape[-3:]
        plane = (1, 1, 1, height, width)
        options: dict[str, Any] = {"chunks": plane}
        if sharded:
            options = {"chunks": (1, 1, 1, height // 2, width // 2), "shards": (1, 1, depths, height, width)}
        ome = {"omero": {"channels": [{"label": name, "color": "00FF00"} for name in CHANNELS]}}
        return write_ome_zarr(path, pixels, "tczyx", zarr_format=zarr_format, ome=ome, **options)

    return write


def _sif(path: Path, pixels: Pixels) -> Path:
    return write_sif(path, pixels.astype(np.float32))


def _set(files: Callable[[Pixels], Files]) -> Callable[[Path, Pixels], Path]:
    """Return a writer of an archive if the name ends so, else of a folder."""

    def write(path: Path, pixels: Pixels) -> Path:
        return (zipped if path.suffix == ".zip" else unpacked)(path, files(pixels))

    return write


def _mmstack(pixels: Pixels) -> Files:
    planes = pixels.shape[0] * pixels.shape[1]
    first = planes // 2
    parts = [
        Part("run_MMStack_Pos0.ome.tif", 0, first),
        Part("run_MMStack_Pos0_1.ome.tif", 0, planes - first),
    ]
    return mmstack(pixels[None], parts)


def _ndtiff(pixels: Pixels) -> Files:
    planes = [
        Plane(
            {"time": t, "channel": CHANNELS[c], "z": z},
            pixels[t, c, z],
            {"PixelSizeUm": 0.25, "ElapsedTime-ms": 500.0 * t, "ZPositionUm": 0.5 * z},
            file=t % 2,
        )
        for t, c, z in np.ndindex(pixels.shape[:3])
    ]
    return ndtiff_folder(planes, {"ChNames": [*CHANNELS]})


def _numbered(pixels: Pixels) -> Files:
    return {f"T{number:03}.tif": tiff_with(plane, "") for number, plane in enumerate(pixels)}


KINDS: Sequence[ReaderKind] = (
    ReaderKind("pages.tif", "IYX", _pages),
    ReaderKind("stack.tif", "IYX", _tiff(metadata=None, compression="zlib", bigtiff=True, tile=(32, 32))),
    ReaderKind(
        "cells.ome.tif",
        "TCZYX",
        _tiff(metadata={"axes": "TCZYX", "Channel": {"Name": [*CHANNELS]}, "PhysicalSizeX": 0.1}, ome=True),
    ),
    ReaderKind("imagej.tif", "TZCYX", _imagej),
    ReaderKind("cells.ims", "TCZYX", _ims),
    ReaderKind("cells.lif", "TCZYX", _lif),
    ReaderKind("volume.mrc", "ZYX", _mrc),
    ReaderKind("volume.dm3", "ZYX", _dm(3)),
    ReaderKind("volume.dm4", "ZYX", _dm(4)),
    ReaderKind("packed.dcimg", "TYX", _dcimg(PACKED)),
    ReaderKind("framed.dcimg", "TYX", _dcimg(FRAMED)),
    ReaderKind("cells.oib", "TCZYX", _of_fluoview(write_oib)),
    ReaderKind("cells.oir", "TCZYX", _of_fluoview(write_oir)),
    ReaderKind("movie.spe", "TYX", write_spe),
    ReaderKind("lightfield.spe", "TYX", lambda path, pixels: write_spe3(path, [pixels])),
    ReaderKind("movie.sif", "TYX", _sif),
    ReaderKind("v2.ome.zarr", "TCZYX", _zarr(zarr_format=2)),
    ReaderKind("v2.zip", "TCZYX", _zarr(zarr_format=2)),
    ReaderKind("v3.ome.zarr", "TCZYX", _zarr()),
    ReaderKind("v3.ozx", "TCZYX", _zarr()),
    ReaderKind("sharded.ome.zarr", "TCZYX", _zarr(sharded=True)),
    ReaderKind("sharded.ozx", "TCZYX", _zarr(sharded=True)),
    ReaderKind("ome_set", "TZCYX", _set(ome_set)),
    ReaderKind("ome_set.zip", "TZCYX", _set(ome_set)),
    ReaderKind("mmstack.zip", "TCYX", _set(_mmstack)),
    ReaderKind("mmstack", "TCYX", _set(_mmstack)),
    ReaderKind("ndtiff.zip", "TCZYX", _set(_ndtiff)),
    ReaderKind("ndtiff", "TCZYX", _set(_ndtiff)),
    ReaderKind("numbered.zip", "IYX", _set(_numbered)),
)
