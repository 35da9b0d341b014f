"""Network architectures behind one interface, distinguished by their shapes."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

import torch

from worker.engine.networks.blind_spot import BlindSpotNet, BlindSpotShape
from worker.engine.networks.unet import UNet, UNetShape

Architecture = Literal["unet", "blind-spot"]
NetworkShape = UNetShape | BlindSpotShape
Model = UNet | BlindSpotNet

_MAX_BLIND_PX = 64


def build_model(shape: NetworkShape) -> Model:
    """Build a network without allocating its weights."""
    return BlindSpotNet(shape) if isinstance(shape, BlindSpotShape) else UNet(shape)


def to_device(model: Model, device: torch.device) -> Model:
    """Move a network to a device, with its weights in channels-last layout like its images.

    Otherwise each convolution reorders its weights, which takes a quarter of a training step on a CPU.
    """
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub
    return model


def shape_parameters(shape: NetworkShape) -> dict[str, Any]:
    """Return a shape as JSON-serialisable values."""
    architecture: Architecture = "blind-spot" if isinstance(shape, BlindSpotShape) else "unet"
    parameters = {"architecture": architecture} | asdict(shape)
    if parameters.get("frames") == 1:
        # So that networks of single planes are stored as before there were others.
        del parameters["frames"]
    return parameters


def shape_from(parameters: Mapping[str, Any]) -> NetworkShape:
    """Inverse of `shape_parameters`; raise TypeError or ValueError for an invalid shape."""
    fields = dict(parameters)
    architecture = fields.pop("architecture", "unet")
    if architecture == "blind-spot":
        shape = BlindSpotShape(**fields)
        if not 0 <= shape.blind_px <= _MAX_BLIND_PX:
            raise ValueError(f"blind_px is {shape.blind_px}, expected 0 .. {_MAX_BLIND_PX}")
        return shape
    if architecture == "unet":
        return UNetShape(**fields)
    raise ValueError(f"unknown architecture {architecture!r}")
