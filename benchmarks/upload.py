"""Upload speed of a large file compared with `cp` and `sha256sum`, and the server's memory growth."""

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

from clearscope_client import ClearScope
from demo.server import ServerProcess

GIBIBYTE = 1024**3
PLANE_PX = 4096
PLANE_BYTES = 2 * PLANE_PX**2


@dataclass(frozen=True)
class Upload:
    """Times for one file, and the growth of the server's resident memory during its upload."""

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
    """Upload a file of about this size to a private server; needs disk space for two copies."""
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
    rendered = Table(
        "quantity", "measured", "required", title=f"Upload of {upload.size_bytes / GIBIBYTE:.2f} GiB"
    )
    rate = upload.size_bytes / 1024**2 / upload.seconds
    rendered.add_row("upload, until the image document", f"{upload.seconds:.1f} s ({rate:.0f} MiB/s)", "")
    rendered.add_row("cp", f"{upload.copy_seconds:.1f} s", "")
    rendered.add_row("sha256sum", f"{upload.sha256_seconds:.1f} s", "")
    rendered.add_row("upload / (cp + sha256sum)", f"{upload.ratio:.2f}", "at most 2")
    growth = upload.memory_growth_bytes / 1024**2
    rendered.add_row("growth of the server's resident memory", f"{growth:.0f} MiB", "less than 64 MiB")
    return rendered


def _upload(server: ServerProcess, path: Path, copy_seconds: float, sha256_seconds: float) -> Upload:
    small = path.with_name("small.tif")
    _write_bigtiff(small, 1)
    with ClearScope(server.url) as client:
        # Warm-up: what the server loads for its first upload does not count as growth.
        client.upload(small)
        process = psutil.Process(server.pid)
        before = process.memory_info().rss
        with _sampled_memory(process) as samples:
            started_s = time.perf_counter()
            client.upload(path)
            seconds = time.perf_counter() - started_s
    return Upload(path.stat().st_size, seconds, copy_seconds, sha256_seconds, before, max(samples) - before)


def _copy_and_digest(path: Path) -> tuple[float, float]:
    """Time `cp` and `sha256sum`, each after a sync."""
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
def _sampled_memory(process: psutil.Process) -> Iterator[list[int]]:
    """Sample a process's resident memory 50 times a second while the block runs."""
    samples = [process.memory_info().rss]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.02):
            samples.append(process.memory_info().rss)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield samples
    finally:
        done.set()
        sampler.join()
