"""Peak memory of a separate process that works on a stack of noise."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile

import models_store

_PEAK = """
import sys
from pathlib import Path
from {module} import {name}
{name}(Path(sys.argv[1]), Path(sys.argv[2]))
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(status["VmHWM"].split()[0])
"""


def peak_mb(work: Callable[[Path, Path], None], folder: Path, shape: tuple[int, int, int]) -> float:
    """Return the peak memory (MB) of a process that works on a TIFF file of noise; see `peak_mb_with`."""
    source = folder / "source.tif"
    rng = np.random.default_rng(0)
    planes = (rng.integers(50, 90, shape[1:], "uint16") for _ in range(shape[0]))
    tifffile.imwrite(source, planes, shape=shape, dtype="uint16", photometric="minisblack")
    return peak_mb_with(work, source)


def peak_mb_with(work: Callable[[Path, Path], None], source: Path) -> float:
    """Return the peak memory (MB) of a process that calls a module-level function with source and target.

    Not measured by getrusage, which starts from the peak of the parent process.
    """
    target = source.with_name("target.tif")
    code = _PEAK.format(module=work.__module__, name=work.__name__)
    command = [sys.executable, "-c", code, str(source), str(target)]
    environment = {**os.environ, "PYTHONPATH": str(Path(models_store.__file__).parents[1])}
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    target.unlink()
    return int(printed.split()[-1]) / 1024
