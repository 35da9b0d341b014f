"""Out-of-memory handling: the batch size is halved until the computation fits."""

import ctypes
import gc
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from worker.engine.devices.host_memory import advice, free_bytes
from worker.engine.errors import EngineError

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_ALLOCATOR_MESSAGES = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


class OutOfMemoryError(EngineError):
    """The device has too little free memory even for the smallest batch."""

    code = "out-of-memory"


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error means out of memory; some allocators report that in the message only."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _ALLOCATOR_MESSAGES)


@contextmanager
def raising_out_of_memory(device: torch.device, what: str) -> Iterator[None]:
    """Convert out-of-memory errors of the block to OutOfMemoryError; `what` is what did not fit."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise _failure(device, what, _first_line(error)) from error


def return_freed_memory(device: torch.device) -> None:
    """Return freed memory of the process to the system, where the C library can: glibc's `malloc_trim`.

    It keeps freed blocks of up to 32 MiB between used ones: a fifth of the memory of 2048 x 2048 px.
    """
    if device.type == "cpu" and sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@dataclass
class AdaptiveBatch:
    """Batch size that is halved when memory runs out, and stays reduced."""

    unit: str
    size: int
    minimum: int
    device: torch.device

    def run(self, compute: Callable[[int], _Result]) -> _Result:
        """Call `compute` with the batch size, halving it and retrying while out of memory.

        Raises OutOfMemoryError if the smallest size does not fit.
        """
        while True:
            try:
                return compute(self.size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                message = _first_line(error)
            # Outside the except block, where the exception no longer keeps the attempt's tensors alive.
            if self.size <= self.minimum:
                raise _failure(self.device, f"{self.size} {self.unit} at a time", message)
            self.size = max(self.size // 2, self.minimum)
            _free_cached_memory(self.device)
            logger.warning(
                "out of memory on %s; going on with %d %s at a time: %s",
                self.device,
                self.size,
                self.unit,
                message,
            )


def _free_cached_memory(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        # Cached blocks of the larger sizes are useless for smaller ones.
        torch.cuda.empty_cache()


def _failure(device: torch.device, what: str, message: str) -> OutOfMemoryError:
    free = int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else free_bytes()
    return OutOfMemoryError(
        f"{device} has too little free memory for {what}; use a device with more memory or fewer processes, "
        f"fewer features and samples, or smaller images: {advice(free, 'what is free now')} ({message})"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
