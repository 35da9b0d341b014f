"""Selection of the compute device."""

import os

import torch

from models_store.errors import DeviceUnavailableError, InvalidRequestError


def choose_device(name: str) -> torch.device:
    """Return the device for `cpu`, `cuda:N`, `cuda` (the GPU with the most free memory) or `auto`.

    `auto` is `cuda` where a GPU is visible, else `cpu`. GPUs are numbered as under CUDA_VISIBLE_DEVICES.
    Raises InvalidRequestError for an unknown device name, DeviceUnavailableError if the GPU does not exist or
    none responds.
    """
    if name == "auto" and not torch.cuda.is_available():
        return torch.device("cpu")
    if name in {"auto", "cuda"}:
        return torch.device("cuda", _most_free_memory(_visible_gpus(name)))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise _no_device(name) from error
    if device.type == "cuda" and device.index not in _visible_gpus(name):
        raise DeviceUnavailableError(
            f"device {name!r} was requested, but {_gpu_count(len(_visible_gpus(name)))}, numbered from cuda:0"
        )
    if device.type not in {"cpu", "cuda"}:
        raise _no_device(name)
    return device


def _no_device(name: str) -> InvalidRequestError:
    return InvalidRequestError(f"{name!r} is no device; use auto, cpu, cuda or cuda:N")


def _visible_gpus(name: str) -> range:
    if not torch.cuda.is_available():
        raise DeviceUnavailableError(
            f"device {name!r} was requested, but {_gpu_count(0)}: torch finds no CUDA GPU on this machine"
        )
    return range(torch.cuda.device_count())


def _gpu_count(count: int) -> str:
    restriction = os.environ.get("CUDA_VISIBLE_DEVICES")
    shown = "" if restriction is None else f" (CUDA_VISIBLE_DEVICES={restriction})"
    return f"{count} GPU{'' if count == 1 else 's'} can be seen{shown}"


def _most_free_memory(gpus: range) -> int:
    """Return the index of the GPU with the most free memory, the first one in case of a tie."""
    # Querying a GPU allocates a CUDA context that lasts as long as the process: skip it for a single GPU.
    if len(gpus) == 1:
        return gpus[0]
    free_bytes = {index: free for index in gpus if (free := _free_bytes(index)) is not None}
    if not free_bytes:
        raise DeviceUnavailableError(f"{_gpu_count(len(gpus))}, but none of them reports its free memory")
    return max(free_bytes, key=lambda index: free_bytes[index])


def _free_bytes(index: int) -> int | None:
    try:
        free, _ = torch.cuda.mem_get_info(index)
    except RuntimeError:
        # Broken, or in exclusive use by another process: the other GPUs may still be usable.
        return None
    return free
