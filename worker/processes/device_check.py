"""Device check, run in a child process because the worker process never loads torch."""

import ctypes
import json
import subprocess
import sys
from dataclasses import asdict, dataclass

from models_store.errors import ClearScopeError

CHECK_LIMIT_S = 120.0
SIZE = 64


@dataclass(frozen=True)
class DeviceState:
    """Result of a device check; `error` is the reason why the device is unusable."""

    device: str
    error: str | None = None
    memory_bytes: int | None = None
    """GPU memory in use by all processes."""


def check_device(name: str) -> DeviceState:
    """Run a test computation in a child; skipped for the CPU, and for `auto` without a CUDA driver."""
    if name == "cpu" or (name == "auto" and not _has_cuda_driver()):
        return DeviceState("cpu")
    try:
        checked = subprocess.run(  # noqa: S603  # this very interpreter and module
            [sys.executable, "-P", "-m", __name__, name],
            capture_output=True,
            text=True,
            timeout=CHECK_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return DeviceState(name, error=f"the check of device {name} timed out after {CHECK_LIMIT_S:.0f} s")
    if checked.returncode == 0:
        return DeviceState(**json.loads(checked.stdout.splitlines()[-1]))
    lines = checked.stderr.strip().splitlines() or [f"the check ended with exit code {checked.returncode}"]
    return DeviceState(name, error=lines[-1][:500])


def _has_cuda_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _compute(name: str) -> DeviceState:
    import torch  # noqa: PLC0415  # in the child only

    from worker.attempt.device import choose_device  # noqa: PLC0415  # loads torch

    device = choose_device(name)
    ones = torch.ones((SIZE, SIZE), device=device)
    if float((ones @ ones).sum()) != SIZE**3:
        raise ArithmeticError(f"device {device} computes wrong results")
    if device.type != "cuda":
        return DeviceState(str(device))
    free_bytes, total_bytes = torch.cuda.mem_get_info(device)
    return DeviceState(
        f"{device} {torch.cuda.get_device_name(device)}"[:64], memory_bytes=total_bytes - free_bytes
    )


def _check_in_child(name: str) -> DeviceState:
    try:
        return _compute(name)
    except ClearScopeError as error:
        return DeviceState(name, error=error.detail)


if __name__ == "__main__":
    print(json.dumps(asdict(_check_in_child(sys.argv[1]))))  # noqa: T201  # the parent reads it
