"""Flashes of one frame: light that one plane beside another has, and no other plane at that place."""

from collections.abc import Mapping

import torch
from scipy import ndimage
from torch import Tensor

_SURROUNDINGS_PX = 2.0
"""Width of the Gaussian over which light is averaged: its noise is 0.14 of that of a pixel then."""

_FLASH = 0.5
"""Excess of averaged light over that of any other plane, in standard deviations of a pixel's noise."""

_EXTENT_PX = 6
"""Distance from a detected pixel up to which a flash is covered."""

_MIN_PLANES = 3
"""Of two planes, a flash of one cannot be told from what has ended in the other."""


def averaged_light(units_yx: Tensor) -> Tensor:
    """Return the local mean of a plane (Y, X) in units of its noise."""
    return torch.from_numpy(ndimage.gaussian_filter(units_yx.numpy(), _SURROUNDINGS_PX))


def cover_flashes(frames: Tensor, light: Mapping[int, Tensor]) -> None:
    """Cover flashes in planes (T, H, W) beside the one in the middle, in place.

    `light`: the averaged light of the planes that are known, made equally bright, by their place in `frames`.
    A flash is covered with what the next plane shows there, or the next but one if the next is the one in the
    middle: the network would take noise that it sees twice for certain.
    """
    if len(light) < _MIN_PLANES:
        return
    middle = len(frames) // 2
    highest, second = (torch.full_like(frames[0], -torch.inf) for _ in range(2))
    brightest = torch.full(frames.shape[1:], middle, dtype=torch.int8)
    for place, averaged in light.items():
        second = torch.maximum(second, torch.minimum(highest, averaged))
        brightest[averaged > highest] = place
        highest = torch.maximum(highest, averaged)
    flashes = highest - second > _FLASH
    uncovered: dict[int, Tensor] = {}
    for place in light:
        flash = flashes & (brightest == place)
        if place == middle or not bool(flash.any()):
            continue
        uncovered[place] = frames[place].clone()
        others = [other for other in light if other not in (place, middle)]
        next_place = min(others, key=lambda other: (abs(other - place), abs(other - middle)))
        near = torch.from_numpy(ndimage.maximum_filter(flash.numpy(), 2 * _EXTENT_PX + 1))
        frames[place][near] = uncovered.get(next_place, frames[next_place])[near]
