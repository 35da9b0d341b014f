"""Bytes that parts of a divided prediction fetch from a remote store, beside those of their own planes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tifffile
from rich.table import Table

from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.launch import ReadingService

PLANES, SIDE_PX, PARTS = 200, 512, 20
LIMIT = 1.2


@dataclass
class CountedFile:
    """A local file in place of a remote one, with counters of bytes and requests."""

    path: Path
    fetched_bytes: int = 0
    requests: int = 0

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        self.requests += 1
        self.fetched_bytes += sum(length for _, length in ranges)
        with self.path.open("rb") as file:
            return [os.pread(file.fileno(), length, start) for start, length in ranges]


@dataclass(frozen=True)
class FetchedParts:
    """What the parts of a prediction fetched together."""

    name: str
    size_bytes: int
    head_bytes: int
    head_requests: int
    plane_bytes: int
    plane_requests: int
    worst_ratio: float
    """Bytes that a part fetched for its planes, to those of the planes as they are stored."""


@dataclass(frozen=True)
class Stack:
    """A way to write a stack."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    by_plane: bool = False


STACKS = (
    Stack("one block of pixels (OME-TIFF)", {"ome": True}),
    Stack("directories between planes", by_plane=True),
    Stack("compressed (zlib)", {"compression": "zlib"}),
    Stack("compressed tiles of 128 x 128 pixels", {"compression": "zlib", "tile": (128, 128)}),
)


def measure() -> list[FetchedParts]:
    """Open stacks of all kinds once for each part, and read the planes of the part."""
    with TemporaryDirectory(prefix="clearscope-ranges-") as folder, ReadingService().running() as isolation:
        return [_measure(stack, Path(folder) / "stack.tif", isolation) for stack in STACKS]


def table(measured: Sequence[FetchedParts]) -> Table:
    rendered = Table(
        *("stack", "MiB", "fetched by all parts, MiB", "of these, headers", "requests per part"),
        *("worst part / own planes", "limit"),
        title=f"Bytes fetched by {PARTS} parts of a prediction from a remote store",
    )
    for each in measured:
        rendered.add_row(
            each.name,
            _mib(each.size_bytes),
            _mib(each.head_bytes + each.plane_bytes),
            _mib(each.head_bytes),
            f"{(each.head_requests + each.plane_requests) / PARTS:.0f}",
            f"{each.worst_ratio:.2f}",
            f"{LIMIT}",
        )
    return rendered


def _measure(stack: Stack, path: Path, isolation: Isolation) -> FetchedParts:
    _write(stack, path)
    heads, planes, ratios = [], [], []
    stored_bytes = _stored_bytes(path)
    for part in np.array_split(np.arange(PLANES), PARTS):
        file = CountedFile(path)
        with isolation.reader() as reader:
            image = reader.open(file)
            heads.append((file.fetched_bytes, file.requests))
            for plane in part.tolist():
                _ = image[plane]
        planes.append((file.fetched_bytes - heads[-1][0], file.requests - heads[-1][1]))
        ratios.append(planes[-1][0] / stored_bytes[part].sum())
    head_bytes, head_requests = np.sum(heads, axis=0).tolist()
    plane_bytes, plane_requests = np.sum(planes, axis=0).tolist()
    size_bytes, worst = path.stat().st_size, float(max(ratios))
    return FetchedParts(stack.name, size_bytes, head_bytes, head_requests, plane_bytes, plane_requests, worst)


def _write(stack: Stack, path: Path) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] / 20
    pixels = (100 + rng.poisson(60 + 40 * np.sin(y) * np.cos(x), (PLANES, SIDE_PX, SIDE_PX))).astype(
        np.uint16
    )
    if not stack.by_plane:
        tifffile.imwrite(path, pixels, photometric="minisblack", **stack.options)
        return
    with tifffile.TiffWriter(path) as writer:
        for plane in pixels:
            writer.write(plane, contiguous=False, photometric="minisblack", metadata=None)


def _stored_bytes(path: Path) -> np.ndarray:
    """Return the size of each plane as it is stored."""
    with tifffile.TiffFile(path) as tiff:
        return np.array([sum(page.databytecounts) for page in tiff.pages])


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**2:.1f}"
