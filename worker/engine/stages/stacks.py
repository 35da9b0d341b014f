"""Planes of a stack denoised with the help of their neighbours."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.networks.scale import Scale
from worker.engine.planes.filling import filled
from worker.engine.planes.flashes import averaged_light, cover_flashes
from worker.engine.planes.neighbours import Neighbours, Stack
from worker.engine.planes.sequence import middle_window, spread_indices
from worker.engine.stages.pretrained import estimate_of_residuals

_SAME_EXPOSURE = 2.0
"""Largest ratio of the light of neighbours: the network has met bleaching and flicker, no other exposures."""

_HARDLY_BRIGHTER = 1.0
"""Difference of mean light, in standard deviations of the noise, below which their ratio means nothing."""

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
    light = _light(plane_yx, scale)
    lights = {offset: _light(yx, scale) for offset, yx in neighbours.items()}
    alike = [offset for offset, other in lights.items() if _same_exposure(light, other)]
    if not alike:
        return single
    frames = torch.full((2 * stack.reach + 1, *plane_yx.shape), torch.nan)
    averaged = {}
    for offset, yx in {0: plane_yx, **{offset: neighbours[offset] for offset in alike}}.items():
        plane = torch.tensor(np.asarray(yx, dtype=np.float32))[None]
        plane = filled(plane, plane.isfinite())[0]
        factor = _brightening(light, lights.get(offset, light))
        units = scale.noise_units(scale.origin_adu + factor * (plane - scale.origin_adu))
        averaged[stack.reach + offset] = averaged_light(units)
        if offset != 0:
            frames[stack.reach + offset] = plane
    cover_flashes(frames, averaged)
    return replace(single, model=stack.model, scale=scale, frames=frames)


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


def _light(plane_yx: np.ndarray, scale: Scale) -> float:
    """Return the mean of a plane above the darkest signal, in standard deviations of the noise there."""
    finite = np.asarray(plane_yx, dtype=np.float64)[np.isfinite(plane_yx)]
    return (float(finite.mean()) - scale.origin_adu) / scale.unit_adu if finite.size else math.nan


def _brightening(light: float, other: float) -> float:
    """Return the factor from a neighbour's light to that of the plane; 1 if their ratio means nothing."""
    return light / other if min(light, other) > _HARDLY_BRIGHTER else 1.0


def _same_exposure(light: float, other: float) -> bool:
    if abs(light - other) <= _HARDLY_BRIGHTER:
        return True
    low, high = sorted((light, other))
    return low > 0 and high <= _SAME_EXPOSURE * low
