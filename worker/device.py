"""Which device networks compute on."""

import torch

from models_store.errors import DeviceUnavailableError, InvalidRequestError


def choose_device(name: str) -> torch.device:
    """`auto` is the GPU if there is one; otherwise a torch name: cpu, cuda, cuda:1."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidRequestError(f"{name!r} is no device; use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailableError(f"device {name!r} was asked for, but torch sees no CUDA GPU here")
    return device
