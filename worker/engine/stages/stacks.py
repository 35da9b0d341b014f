"""Planes of a stack denoised with the help of their neighbours."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from worker.engine.networks.light import brightening, light_of, same_exposure
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.networks.scale import Scale
from worker.engine.planes.filling import filled
from worker.engine.planes.flashes import averaged_light, cover_flashes
from worker.engine.planes.neighbours import Neighbours, Stack
from worker.engine.planes.sequence import middle_window, spread_indices
from worker.engine.stages.pretrained import estimate_of_residuals

_PAIRS = 4
_WINDOW_PX = 512
_CLIPPED = 4.0
"""Limit of a residual, in standard deviations of the noise: outliers and moving edges are no noise."""


def beside(
    stack: PretrainedNetwork, single: Network, plane_yx: np.ndarray, neighbours: Neighbours
) -> Network:
    """Return the network that sees a plane (Y, X) among its neighbours, on the scale of `single`.

    It does not see flashes of a neighbour. Without a neighbour of like exposure, return `single`, which sees
    the plane alone.
    """
    scale = replace(single.scale, spread=stack.spread)
    frames = _frames(scale, stack.reach, plane_yx, neighbours)
    return single if frames is None else replace(single, model=stack.model, scale=scale, frames=frames)


def among(network: Network, plane_yx: np.ndarray, neighbours: Neighbours) -> Network:
    """Return a network that was adapted to stacks as it sees a plane (Y, X) among its neighbours.

    It does not see flashes and other exposures either; without a neighbour it sees the plane alone.
    """
    frames = _frames(network.scale, network.reach, plane_yx, neighbours)
    return network if frames is None else replace(network, frames=frames)


def _frames(scale: Scale, reach: int, plane_yx: np.ndarray, neighbours: Neighbours) -> torch.Tensor | None:
    """Return the neighbours of like exposure (T, H, W), the others NaN; None if there are none."""
    light = light_of(plane_yx, scale)
    lights = {offset: light_of(yx, scale) for offset, yx in neighbours.items()}
    alike = [offset for offset, other in lights.items() if same_exposure(light, other)]
    if not alike:
        return None
    frames = torch.full((2 * reach + 1, *plane_yx.shape), torch.nan)
    averaged = {}
    for offset, yx in {0: plane_yx, **{offset: neighbours[offset] for offset in alike}}.items():
        plane = torch.tensor(np.asarray(yx, dtype=np.float32))[None]
        plane = filled(plane, plane.isfinite())[0]
        factor = brightening(light, lights.get(offset, light))
        units = scale.noise_units(scale.origin_adu + factor * (plane - scale.origin_adu))
        averaged[reach + offset] = averaged_light(units)
        if offset != 0:
            frames[reach + offset] = plane
    cover_flashes(frames, averaged)
    return frames


def shared_noise(
    planes: Stack, network_for: Callable[[np.ndarray], Network], *, device: torch.device
) -> float | None:
    """Return the share of the noise variance that neighbouring planes have in common, 0 .. 1.

    It is the covariance of the residuals of neighbouring planes, without what the estimates miss of both:
    their mean squared error. None if no plane has a neighbour.
    """
    shares = []
    for index in spread_indices(len(planes), _PAIRS):
        neighbours = planes.neighbours(index, 1)
        if not neighbours:
            continue
        windows = (middle_window(yx, _WINDOW_PX) for yx in (planes[index], *neighbours.values()))
        (residual, copied), *others = [_residual(network_for(yx), yx, device) for yx in windows]
        products = [residual * other for other, _ in others]
        found = [float(np.nanmean(product)) for product in products if np.isfinite(product).any()]
        if found:
            # A plane that is there twice has its noise in common with one neighbour only.
            shares.append((max(found) - copied) / (1 - copied) ** 2)
    return float(np.clip(np.mean(shares), 0, 1)) if shares else None


def _residual(network: Network, plane_yx: np.ndarray, device: torch.device) -> tuple[np.ndarray, float]:
    """Return the residual in standard deviations of the noise, and the share of the noise that is copied."""
    estimate = estimate_of_residuals(network, plane_yx, device=device)
    noise_yx = network.scale.noise_adu(torch.from_numpy(estimate.signal_yx)).numpy()
    residual_yx = (plane_yx - estimate.signal_yx) / noise_yx
    return residual_yx.clip(-_CLIPPED, _CLIPPED), float(np.mean(estimate.copied_yx))
