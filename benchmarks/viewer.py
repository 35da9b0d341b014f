"""Time to the first picture of a large stack and of other planes, and tiles per second while panning."""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
import tifffile
from rich.table import Table

from demo.server import ServerProcess
from models_store.blobs.blobs import Blobs, StoredBlob
from models_store.clock_and_ids import new_id, system_clock
from models_store.contracts.vocabulary import ImageRole
from models_store.database.engines import Database
from models_store.database.schema import migrate
from models_store.image_files.isolation.launch import ReadingService
from models_store.repositories.images import UploadedImage, create_image
from models_store.settings import Settings

PLANES, SIDE_PX = 200, 4096
NOISY = (50, 100, 101, 102, 103, 150)
"""Planes with pixels; the others take no room on the disk."""
PAN_S = 10.0
CONNECTIONS = 6
"""As many as a browser opens to a server."""
STAGE_PX = 1024
FIRST_LIMIT_S, LEAST_TILES_PER_S = 1.0, 15.0


@dataclass(frozen=True)
class Viewed:
    """Times of a stack: to its first picture, to that of another plane, of status reads beside panning."""

    name: str
    first_s: float
    next_s: float
    tiles_per_s: float
    status_ms: float
    status_beside_ms: float


def measure() -> Iterator[Viewed]:
    """Look at a stack of 200 planes of 4096 x 4096 pixels of 16 bits, as it is and compressed."""
    for name, write in (("TIFF", _write_plain), ("TIFF, deflate", _write_deflate)):
        with TemporaryDirectory(prefix="clearscope-viewer-") as folder:
            path = Path(folder) / "stack.tif"
            write(path, np.random.default_rng(1).poisson(120, (SIDE_PX, SIDE_PX)).astype(np.uint16))
            image_id = _store(Path(folder) / "data", path)
            server = ServerProcess(Path(folder) / "data")
            server.start()
            try:
                yield _look(name, server, image_id)
            finally:
                server.stop()


def table(measured: list[Viewed]) -> Table:
    rendered = Table(
        *(
            "file",
            "first picture",
            "other plane",
            "tiles/s while panning",
            "p99 of status reads",
            "beside panning",
        ),
        title=f"Viewer: {PLANES} planes of {SIDE_PX} x {SIDE_PX} x 16 bit on {os.cpu_count()} cores; "
        f"required: {FIRST_LIMIT_S:g} s, {LEAST_TILES_PER_S:g} tiles/s",
    )
    for each in measured:
        rendered.add_row(
            each.name,
            f"{each.first_s:.2f} s",
            f"{each.next_s:.2f} s",
            f"{each.tiles_per_s:.0f}",
            f"{each.status_ms:.0f} ms",
            f"{each.status_beside_ms:.0f} ms",
        )
    return rendered


def _write_plain(path: Path, plane_yx: np.ndarray) -> None:
    shape = (PLANES, SIDE_PX, SIDE_PX)
    tifffile.imwrite(path, shape=shape, dtype=np.uint16, photometric="minisblack", ome=True)
    stack = tifffile.memmap(path)
    for plane in NOISY:
        stack[plane] = plane_yx
    stack.flush()


def _write_deflate(path: Path, plane_yx: np.ndarray) -> None:
    empty_yx = np.zeros_like(plane_yx)
    planes = (plane_yx if plane in NOISY else empty_yx for plane in range(PLANES))
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as tiff:
        tiff.write(
            planes,
            shape=(PLANES, SIDE_PX, SIDE_PX),
            dtype=np.uint16,
            photometric="minisblack",
            compression="zlib",
            compressionargs={"level": 1},
        )


def _store(data_dir: Path, path: Path) -> str:
    """Register a file as an uploaded image, without copying it."""
    settings = Settings(data_dir=data_dir)
    data_dir.mkdir()
    blobs, image_id = Blobs.of(settings), new_id("img")
    blobs.link_file(f"images/{image_id}/content", path)
    preview = blobs.put(f"images/{image_id}/preview.png", b"")
    with ReadingService().running() as isolation, isolation.reader() as reader:
        header = reader.open(path).header
    content = StoredBlob(f"images/{image_id}/content", "0" * 64, path.stat().st_size)
    uploaded = UploadedImage(image_id, path.name, content, preview, header, ImageRole.DATA)
    database = Database.of(settings)
    migrate(database)
    with database.write() as session:
        create_image(session, uploaded, profile=None, now=system_clock())
    database.dispose()
    return image_id


def _look(name: str, server: ServerProcess, image_id: str) -> Viewed:
    limits = httpx.Limits(max_connections=CONNECTIONS + 1)
    with httpx.Client(base_url=server.url, timeout=60, limits=limits, trust_env=False) as api:
        planes = f"/v1/images/{image_id}/planes"
        first_s = _timed(lambda: _picture(api, planes, PLANES // 2))
        others_s = [_timed(partial(_picture, api, planes, plane)) for plane in NOISY[2:]]
        status_ms = _p99_ms(_status_reads(api, PAN_S / 4))
        with ThreadPoolExecutor(CONNECTIONS + 1) as threads:
            beside = threads.submit(lambda: list(_status_reads(api, PAN_S)))
            tiles_per_s = sum(
                threads.map(lambda number: _pan(api, planes, PLANES // 2, number), range(CONNECTIONS))
            )
            return Viewed(
                name, first_s, statistics.median(others_s), tiles_per_s, status_ms, _p99_ms(beside.result())
            )


def _picture(api: httpx.Client, planes: str, plane: int) -> None:
    """Do what the page does to show a plane on a stage of 1024 x 1024 pixels."""
    document = api.get(planes).raise_for_status().json()
    found = api.get(f"{planes}/{plane}/range").raise_for_status().json()
    sizes = [each["width_px"] for each in document["levels"]]
    level = max(number for number, width_px in enumerate(sizes) if width_px >= STAGE_PX)
    shape = document["levels"][level]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        hrefs = [
            f"{planes}/{plane}/tiles/{level}/{x}_{y}.png?low={found['low']}&high={found['high']}"
            for x in range(shape["columns"])
            for y in range(shape["rows"])
        ]
        for answer in threads.map(api.get, hrefs):
            answer.raise_for_status()


def _pan(api: httpx.Client, planes: str, plane: int, connection: int) -> float:
    """Draw tiles of full size, none of them twice; return how many per second."""
    side = SIDE_PX // 512
    drawn, stop_s = 0, time.perf_counter() + PAN_S
    while time.perf_counter() < stop_s:
        x, y = drawn % side, drawn // side % side
        window = f"low={connection + drawn / 1000}&high=200"
        api.get(f"{planes}/{plane}/tiles/0/{x}_{y}.png?{window}").raise_for_status()
        drawn += 1
    return drawn / PAN_S


def _status_reads(api: httpx.Client, seconds: float) -> Iterator[float]:
    stop_s = time.perf_counter() + seconds
    while time.perf_counter() < stop_s:
        yield _timed(lambda: api.get("/v1/jobs").raise_for_status())
        time.sleep(0.02)


def _p99_ms(seconds: Iterator[float] | list[float]) -> float:
    return float(np.percentile(list(seconds), 99)) * 1000


def _timed(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s
