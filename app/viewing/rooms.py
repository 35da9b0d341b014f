"""Where pixels of planes lie: in memory, or in files that are mapped into it if they are too large."""

import mmap
import os
import tempfile
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.errors import StorageFullError
from models_store.full_disk import is_full


def in_memory(shape_yx: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.empty(shape_yx, dtype)


def on_disk(shape_yx: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return an array in a file of the temporary folder, which has no name and ends with the array.

    The system writes its pages to the disk and takes them out of memory when it needs that. Raises
    StorageFullError.
    """
    size_bytes = prod(shape_yx) * dtype.itemsize
    with tempfile.TemporaryFile(prefix="clearscope-plane-") as file:
        try:
            _reserve(file.fileno(), size_bytes)
        except OSError as error:
            if not is_full(error):
                raise
            raise StorageFullError(
                f"a plane of {shape_yx[1]} x {shape_yx[0]} pixels needs {size_bytes} bytes in "
                f"{tempfile.gettempdir()}, which has no room for it; look at it later, or download the file"
            ) from error
        mapped = mmap.mmap(file.fileno(), size_bytes)
    return np.frombuffer(mapped, dtype).reshape(shape_yx)


def _reserve(descriptor: int, size_bytes: int) -> None:
    """Give a file its size; without blocks on the disk, writing to a mapped page would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size_bytes)
    else:
        os.ftruncate(descriptor, size_bytes)
