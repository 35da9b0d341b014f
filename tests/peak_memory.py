"""The peak memory of a process of its own that works on a stack of noise."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import tifffile

import models_store

_PEAK = """
import sys
from pathlib import Path
import numpy as np
{work}
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(status["VmHWM"].split()[0])
"""


def peak_mb(work: str, folder: Path, shape: tuple[int, int, int]) -> float:
    """Run Python code that finds the paths of the stack and of a result in `sys.argv`.

    Not by getrusage: that begins with the peak of the process that started this one.
    """
    source, target = folder / "source.tif", folder / "target.tif"
    rng = np.random.default_rng(0)
    planes = (rng.poisson(rng.uniform(50, 90, shape[1:])).astype("uint16") for _ in range(shape[0]))
    tifffile.imwrite(source, planes, shape=shape, dtype="uint16", photometric="minisblack")
    command = [sys.executable, "-c", _PEAK.format(work=work), str(source), str(target)]
    environment = {**os.environ, "PYTHONPATH": str(Path(models_store.__file__).parents[1])}
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    target.unlink()
    return int(printed.split()[-1]) / 1024
