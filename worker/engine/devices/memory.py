"""Running out of memory: less is computed at a time, until it fits or cannot be made smaller."""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

from worker.engine.errors import EngineError

logger = logging.getLogger(__name__)

_Made = TypeVar("_Made")

_SAID_BY_ALLOCATORS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


class OutOfMemoryError(EngineError):
    """The device has too little free memory even for the smallest portions."""

    code = "out-of-memory"


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error says so; of those of the CPU's allocator and CUDA's libraries only the text does."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID_BY_ALLOCATORS)


@contextmanager
def raising_out_of_memory(device: torch.device, what: str) -> Iterator[None]:
    """Let running out of memory surface as OutOfMemoryError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise _failure(device, what, _first_line(error)) from error


@dataclass
class AdaptiveBatch:
    """How much of something is computed at a time, and stays so once it had to be made smaller."""

    unit: str
    size: int
    least: int
    device: torch.device

    def run(self, compute: Callable[[int], _Made]) -> _Made:
        """Compute with this size, again with half of it where memory does not suffice, and so on.

        Raises OutOfMemoryError where the least size is still too large.
        """
        while True:
            try:
                return compute(self.size)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                complaint = _first_line(error)
            # Only here is what the attempt held free again: its frames hung on the exception.
            if self.size <= self.least:
                raise _failure(self.device, f"{self.size} {self.unit} at a time", complaint)
            self.size = max(self.size // 2, self.least)
            _give_back(self.device)
            logger.warning(
                "out of memory on %s; going on with %d %s at a time: %s",
                self.device,
                self.size,
                self.unit,
                complaint,
            )


def _give_back(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        # Blocks of the sizes that were too large would be of no use to smaller ones.
        torch.cuda.empty_cache()


def _failure(device: torch.device, what: str, complaint: str) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"{device} has too little free memory for {what}; a device with more of it, one shared with fewer "
        f"processes, fewer features and samples, or smaller images would help ({complaint})"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
