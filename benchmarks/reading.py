"""Time to open a file and read planes of it in isolation, beside that of the reading library alone."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mrcfile
import numpy as np
import openreadout
import tifffile
import zarr
from numpy.typing import NDArray
from rich.table import Table

from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.launch import ReadingService

PLANES, SIDE_PX, READ = 128, 2048, 100
REPEATS = 5
LIMIT = 1.3


@dataclass(frozen=True)
class Format:
    """A way to write a stack, and to read its planes with a library alone."""

    name: str
    file_name: str
    write: Callable[[Path, NDArray[np.uint16]], None]
    planes: Callable[[Path], Iterator[NDArray[Any]]]


@dataclass(frozen=True)
class Read:
    """Median times for a file, and the median of the ratios of pairs read after each other."""

    name: str
    size_bytes: int
    seconds: float
    library_seconds: float
    ratio: float


def _write_tiff(path: Path, pixels_tyx: NDArray[np.uint16]) -> None:
    tifffile.imwrite(path, pixels_tyx, photometric="minisblack")


def _write_zlib(path: Path, pixels_tyx: NDArray[np.uint16]) -> None:
    tifffile.imwrite(path, pixels_tyx, photometric="minisblack", compression="zlib", ome=True)


def _write_zarr(path: Path, pixels_tyx: NDArray[np.uint16]) -> None:
    axes = [{"name": "t", "type": "time"}, *({"name": axis, "type": "space"} for axis in "yx")]
    scale = [{"type": "scale", "scale": [1.0, 1.0, 1.0]}]
    described: Any = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    group = zarr.open_group(
        path, mode="w", attributes={"ome": {"version": "0.5", "multiscales": [described]}}
    )
    chunks = (1, *pixels_tyx.shape[1:])
    array = group.create_array("0", shape=pixels_tyx.shape, dtype=pixels_tyx.dtype, chunks=chunks)
    array[:] = pixels_tyx


def _write_mrc(path: Path, pixels_tyx: NDArray[np.uint16]) -> None:
    with mrcfile.new(path, pixels_tyx) as file:
        file.set_image_stack()


def _tiff_planes(path: Path) -> Iterator[NDArray[Any]]:
    with tifffile.TiffFile(path) as tiff:
        pages = tiff.series[0].pages
        for plane in range(READ):
            page = pages[plane]
            if page is not None:
                yield page.asarray()


def _zarr_planes(path: Path) -> Iterator[NDArray[Any]]:
    array = zarr.open_array(path / "0", mode="r")
    for plane in range(READ):
        yield np.asarray(array[plane])


def _mrc_planes(path: Path) -> Iterator[NDArray[Any]]:
    with path.open("rb") as stream, openreadout.File(stream, name="a file") as file:
        for plane in range(READ):
            yield file.read_plane(0, 0, 0, plane)


FORMATS = (
    Format("TIFF, one block of pixels", "stack.tif", _write_tiff, _tiff_planes),
    Format("OME-TIFF, zlib", "stack.ome.tif", _write_zlib, _tiff_planes),
    Format("OME-Zarr 0.5, a chunk for each plane", "stack.ome.zarr", _write_zarr, _zarr_planes),
    Format("MRC", "stack.mrc", _write_mrc, _mrc_planes),
)


def measure() -> list[Read]:
    """Write a stack of 1 GiB in each format and read the same planes of it in turns."""
    pixels_tyx = _pixels()
    with TemporaryDirectory(prefix="clearscope-reading-") as folder, ReadingService().running() as isolation:
        return [_measure(each, Path(folder) / each.file_name, pixels_tyx, isolation) for each in FORMATS]


def table(measured: Sequence[Read]) -> Table:
    rendered = Table(
        *("stack", "MiB", "seconds", "library alone, s", "ratio", "limit"),
        title=f"Opening a stack of {PLANES} planes of {SIDE_PX} x {SIDE_PX} and reading {READ} of them",
    )
    for each in measured:
        rendered.add_row(
            each.name,
            f"{each.size_bytes / 1024**2:.0f}",
            f"{each.seconds:.2f}",
            f"{each.library_seconds:.2f}",
            f"{each.ratio:.2f}",
            f"{LIMIT}",
        )
    return rendered


def _pixels() -> NDArray[np.uint16]:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] / 20
    signal_yx = 60 + 40 * np.sin(y) * np.cos(x)
    return np.stack([(100 + rng.poisson(signal_yx)).astype(np.uint16) for _ in range(PLANES)])


def _measure(form: Format, path: Path, pixels_tyx: NDArray[np.uint16], isolation: Isolation) -> Read:
    form.write(path, pixels_tyx)
    own_s, library_s = [], []
    for _ in range(REPEATS):
        library_s.append(_timed(lambda: _check(form.planes(path), pixels_tyx)))
        own_s.append(_timed(lambda: _read_in_isolation(path, pixels_tyx, isolation)))
    ratios = [own / library for own, library in zip(own_s, library_s, strict=True)]
    files = [path, *path.rglob("*")]
    size_bytes = sum(each.stat().st_size for each in files if each.is_file())
    return Read(
        form.name,
        size_bytes,
        statistics.median(own_s),
        statistics.median(library_s),
        statistics.median(ratios),
    )


def _read_in_isolation(path: Path, pixels_tyx: NDArray[np.uint16], isolation: Isolation) -> None:
    with isolation.reader() as reader:
        image = reader.open(path)
        _check((image[plane] for plane in range(READ)), pixels_tyx)


def _check(planes: Iterator[NDArray[Any]], pixels_tyx: NDArray[np.uint16]) -> None:
    """Take all planes, and compare one pixel of each, so that none is skipped."""
    for number, plane_yx in enumerate(planes):
        if plane_yx[-1, -1] != pixels_tyx[number, -1, -1]:
            raise ValueError(f"plane {number} was not read as it was written")


def _timed(read: Callable[[], None]) -> float:
    start_s = time.perf_counter()
    read()
    return time.perf_counter() - start_s
