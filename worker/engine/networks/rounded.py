"""U-Nets whose convolutions compute in bfloat16, for prediction: twice as fast, with half the memory."""

from typing import cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from worker.engine.networks.unet import UNet, UNetShape

_IN_FLOAT32 = ("down.0.0.", "head.")
"""The first convolution, because bright observations have more digits than bfloat16, and the last layer."""


_copies: WeakKeyDictionary[UNet, UNet] = WeakKeyDictionary()
"""Copies of networks whose training has ended. Making one takes as long as to predict 64 x 64 pixels."""


class _RoundedAfterwards(nn.Module):
    """A convolution in float32 whose result is rounded to bfloat16."""

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, image: Tensor) -> Tensor:
        rounded: Tensor = self.convolution(image).bfloat16()
        return rounded


def may_be_rounded(shape: UNetShape) -> bool:
    """Return whether rounding hardly changes a network's estimates.

    With a global skip, only the difference between signal and observation is rounded.
    """
    return shape.global_skip


def rounded(model: UNet) -> UNet:
    """Return a copy of a network that computes features in bfloat16, but for its first convolution.

    A network whose training has ended has one copy, which lives as long as it does.
    """
    if any(values.requires_grad for values in model.parameters()):
        return _rounded(model)
    if model not in _copies:
        _copies[model] = _rounded(model)
    return _copies[model]


def _rounded(model: UNet) -> UNet:
    copy = UNet(model.shape)
    weights = {
        name: values if name.startswith(_IN_FLOAT32) else values.to(torch.bfloat16)
        for name, values in model.state_dict().items()
    }
    copy.load_state_dict(weights, assign=True)
    first = cast("nn.Sequential", copy.down[0])
    first[0] = _RoundedAfterwards(first[0])
    return copy.requires_grad_(requires_grad=False).eval()
