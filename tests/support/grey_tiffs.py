"""Grey TIFF files of noise."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray


def noise(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    return np.random.default_rng(0).integers(100, 200, shape).astype(dtype)


def write_grey(path: Path, planes: NDArray[Any], **options: Any) -> Path:  # because tifffile takes anything
    tifffile.imwrite(path, planes, photometric="minisblack", metadata=None, **options)
    return path
