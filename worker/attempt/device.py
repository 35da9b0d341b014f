"""Which device networks compute on."""

import os

import torch

from models_store.errors import DeviceUnavailableError, InvalidRequestError


def choose_device(name: str) -> torch.device:
    """`cpu`, `cuda:N`, the visible GPU with most free memory (`cuda`), or that unless there is none (`auto`).

    GPUs are counted as CUDA_VISIBLE_DEVICES shows them. Raises InvalidRequestError for what is no device,
    DeviceUnavailableError for a GPU that is not there or none that answers.
    """
    if name == "auto" and not torch.cuda.is_available():
        return torch.device("cpu")
    if name in {"auto", "cuda"}:
        return torch.device("cuda", _freest(_visible_gpus(name)))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise _no_device(name) from error
    if device.type == "cuda" and device.index not in _visible_gpus(name):
        raise DeviceUnavailableError(
            f"device {name!r} was asked for, but {_visibly(len(_visible_gpus(name)))}, counted from cuda:0"
        )
    if device.type not in {"cpu", "cuda"}:
        raise _no_device(name)
    return device


def _no_device(name: str) -> InvalidRequestError:
    return InvalidRequestError(f"{name!r} is no device; use auto, cpu, cuda or cuda:N")


def _visible_gpus(name: str) -> range:
    if not torch.cuda.is_available():
        raise DeviceUnavailableError(
            f"device {name!r} was asked for, but {_visibly(0)}: torch sees no CUDA GPU here"
        )
    return range(torch.cuda.device_count())


def _visibly(count: int) -> str:
    restriction = os.environ.get("CUDA_VISIBLE_DEVICES")
    shown = "" if restriction is None else f" (CUDA_VISIBLE_DEVICES={restriction})"
    return f"{count} GPU{'' if count == 1 else 's'} can be seen{shown}"


def _freest(gpus: range) -> int:
    """The one with most free memory, the first of equals."""
    # A GPU that is asked keeps some memory for this process as long as it lives: a single one is not asked.
    if len(gpus) == 1:
        return gpus[0]
    free_bytes = {index: free for index in gpus if (free := _free_bytes(index)) is not None}
    if not free_bytes:
        raise DeviceUnavailableError(f"{_visibly(len(gpus))}, and none of them tells its free memory")
    return max(free_bytes, key=lambda index: free_bytes[index])


def _free_bytes(index: int) -> int | None:
    try:
        free, _ = torch.cuda.mem_get_info(index)
    except RuntimeError:
        # Broken, or another process has it for itself: no reason to do without the others.
        return None
    return free
