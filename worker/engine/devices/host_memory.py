"""Memory of the machine, or of the container, and size of the planes that fit into it."""

import math
from contextlib import suppress
from pathlib import Path
from typing import Final

BYTES_PER_PX: Final = 40
"""What denoising takes at its peak for each pixel of a plane: see docs/performance.md."""
_OTHERS_BYTES = 3 << 29
"""What it takes besides: the program, the network's tiles, and what a noise model is made of."""
_ROUNDED_PX = 100
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_KIBIBYTE = 1024


def possible_side_px(memory_bytes: int) -> int:
    """Return the side of the square planes that can be denoised in so much memory, in hundreds of pixels."""
    side_px = math.isqrt(max(memory_bytes - _OTHERS_BYTES, 0) // BYTES_PER_PX)
    return side_px // _ROUNDED_PX * _ROUNDED_PX


def advice(memory_bytes: int | None, of_what: str) -> str:
    """Return which planes fit into some memory, as far as it is known."""
    side_px = 0 if memory_bytes is None else possible_side_px(memory_bytes)
    fitting = f"; {of_what} is enough for planes of about {side_px} x {side_px}" if side_px else ""
    return f"a plane takes about {BYTES_PER_PX} bytes for each pixel{fitting}, so crop larger ones"


def total_bytes() -> int | None:
    """Return the memory in all; None if the system does not tell."""
    return _least(_in_meminfo("MemTotal"), _number_in(_CGROUP / "memory.max"))


def free_bytes() -> int | None:
    """Return the memory that is free; None if the system does not tell."""
    limit, used = (_number_in(_CGROUP / name) for name in ("memory.max", "memory.current"))
    left = None if limit is None or used is None else max(limit - used, 0)
    return _least(_in_meminfo("MemAvailable"), left)


def _least(*known: int | None) -> int | None:
    return min((each for each in known if each is not None), default=None)


def _in_meminfo(name: str) -> int | None:
    with suppress(OSError, ValueError):
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * _KIBIBYTE
    return None


def _number_in(file: Path) -> int | None:
    """Return the number in a file; None if there is no file, or no number, as where nothing is limited."""
    with suppress(OSError, ValueError):
        return int(file.read_text())
    return None
