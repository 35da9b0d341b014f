"""How fast a large file is uploaded, beside `cp` and `sha256sum`, and how much memory the server takes."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import tifffile
from numpy.typing import NDArray
from rich.table import Table

from app.commands.client import Client
from demo.server import ServerProcess

GIBIBYTE = 1024**3
PLANE_PX = 4096
PLANE_BYTES = 2 * PLANE_PX**2


@dataclass(frozen=True)
class Upload:
    """Times of one file, and the growth of the server's resident memory while it is uploaded."""

    size_bytes: int
    seconds: float
    copy_seconds: float
    sha256_seconds: float
    memory_before_bytes: int
    memory_growth_bytes: int

    @property
    def ratio(self) -> float:
        return self.seconds / (self.copy_seconds + self.sha256_seconds)


def measure(size_bytes: int, folder: Path | None = None) -> Upload:
    """Upload a file of about this size to a server of its own; the disk needs room for two of them."""
    with TemporaryDirectory(prefix="clearscope-upload-", dir=folder) as name:
        path = Path(name) / "large.tif"
        _write_bigtiff(path, max(1, size_bytes // PLANE_BYTES))
        copy_seconds, sha256_seconds = _copy_and_digest(path)
        server = ServerProcess(Path(name) / "data")
        server.start()
        try:
            return _upload(server, path, copy_seconds, sha256_seconds)
        finally:
            server.stop()


def table(upload: Upload) -> Table:
    made = Table("what", "measured", "demanded", title=f"Upload of {upload.size_bytes / GIBIBYTE:.2f} GiB")
    rate = upload.size_bytes / 1024**2 / upload.seconds
    made.add_row("upload, until its document", f"{upload.seconds:.1f} s ({rate:.0f} MiB/s)", "")
    made.add_row("cp", f"{upload.copy_seconds:.1f} s", "")
    made.add_row("sha256sum", f"{upload.sha256_seconds:.1f} s", "")
    made.add_row("upload / (cp + sha256sum)", f"{upload.ratio:.2f}", "at most 2")
    growth = upload.memory_growth_bytes / 1024**2
    made.add_row("growth of the server's resident memory", f"{growth:.0f} MiB", "less than 64 MiB")
    return made


def _upload(server: ServerProcess, path: Path, copy_seconds: float, sha256_seconds: float) -> Upload:
    small = path.with_name("small.tif")
    _write_bigtiff(small, 1)
    with Client(server.url) as client:
        # What a server loads for its first upload is no growth.
        client.upload(small)
        process = psutil.Process(server.pid)
        before = process.memory_info().rss
        with _peak_memory(process) as peak:
            started_s = time.perf_counter()
            client.upload(path)
            seconds = time.perf_counter() - started_s
    return Upload(path.stat().st_size, seconds, copy_seconds, sha256_seconds, before, max(peak) - before)


def _copy_and_digest(path: Path) -> tuple[float, float]:
    """Time both, with the disk at rest before."""
    copy = path.with_name("copy.tif")
    seconds = []
    for command in (["cp", str(path), str(copy)], ["sha256sum", str(copy)]):
        subprocess.run(["sync"], check=True)
        started_s = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started_s)
    copy.unlink()
    subprocess.run(["sync"], check=True)
    return seconds[0], seconds[1]


def _write_bigtiff(path: Path, planes: int) -> None:
    plane_yx = np.random.default_rng(0).integers(100, 4000, (PLANE_PX, PLANE_PX), np.uint16)

    def repeated() -> Iterator[NDArray[np.uint16]]:
        for _ in range(planes):
            yield plane_yx

    tifffile.imwrite(
        path,
        repeated(),
        shape=(planes, PLANE_PX, PLANE_PX),
        dtype=np.uint16,
        bigtiff=True,
        photometric="minisblack",
        metadata=None,
    )


@contextmanager
def _peak_memory(process: psutil.Process) -> Iterator[list[int]]:
    """Look at a process's resident memory 50 times a second."""
    seen = [process.memory_info().rss]
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            seen.append(process.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        done.set()
        looking.join()
