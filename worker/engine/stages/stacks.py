"""Planes of a stack denoised with the help of their neighbours."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from worker.engine.networks.light import brightening, in_light_of, light_of, same_exposure
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.networks.scale import Scale
from worker.engine.planes.filling import filled
from worker.engine.planes.flashes import averaged_light, cover_flashes
from worker.engine.planes.motion import Motion
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
    """Return the neighbours of like exposure (T, H, W), the others NaN; None if there are none.

    Parts that have moved are moved back by whole pixels.
    """
    light = light_of(plane_yx, scale)
    lights = {offset: light_of(yx, scale) for offset, yx in neighbours.items()}
    alike = [offset for offset, other in lights.items() if same_exposure(light, other)]
    if not alike:
        return None
    frames = torch.full((2 * reach + 1, *plane_yx.shape), torch.nan)
    units_yx = in_light_of(_without_gaps(plane_yx), scale)
    averaged, motion = {reach: averaged_light(units_yx)}, Motion(units_yx)
    for offset in alike:
        neighbour_yx = _without_gaps(neighbours[offset])
        units_yx = in_light_of(neighbour_yx, scale, brightening(light, lights[offset]))
        if (placement := motion.of(units_yx)) is not None:
            neighbour_yx, units_yx = placement.of(neighbour_yx), placement.of(units_yx)
        frames[reach + offset], averaged[reach + offset] = neighbour_yx, averaged_light(units_yx)
    cover_flashes(frames, averaged)
    return frames


def _without_gaps(plane_yx: np.ndarray) -> torch.Tensor:
    plane = torch.tensor(np.asarray(plane_yx, dtype=np.float32))[None]
    return filled(plane, plane.isfinite())[0]


def shared_noise(
    planes: Stack, network_for: Callable[[np.ndarray], Network], *, device: torch.device
) -> float | None:
    """Return the share of the noise variance that neighbouring planes have in common, 0 .. 1.

    It is the covariance of the residuals of neighbouring planes, where they lie and where the scene has moved
    to, without what the estimates miss of both: their mean squared error. None if no plane has a neighbour.
    """
    shares = []
    for index in spread_indices(len(planes), _PAIRS):
        neighbours = planes.neighbours(index, 1)
        if not neighbours:
            continue
        windows = (middle_window(yx, _WINDOW_PX) for yx in (planes[index], *neighbours.values()))
        plane, *others = (_Residual.of(network_for(yx), yx, device) for yx in windows)
        found = [value for other in others for value in plane.covariances(other)]
        if found:
            # A plane that is there twice has its noise in common with one neighbour only.
            shares.append((max(found) - plane.copied) / (1 - plane.copied) ** 2)
    return float(np.clip(np.mean(shares), 0, 1)) if shares else None


@dataclass(frozen=True, eq=False)
class _Residual:
    """What an estimate removes of a plane, in standard deviations of the noise; NaN without data."""

    removed_yx: torch.Tensor
    units_yx: torch.Tensor
    """The plane in the same unit, without gaps."""
    copied: float
    """Share of the noise that the estimate copies."""

    @classmethod
    def of(cls, network: Network, plane_yx: np.ndarray, device: torch.device) -> "_Residual":
        """Estimate a plane (Y, X), ADU."""
        estimate = estimate_of_residuals(network, plane_yx, device=device)
        signal_yx = torch.from_numpy(estimate.signal_yx)
        observed_yx = torch.tensor(np.asarray(plane_yx, dtype=np.float32))
        removed_yx = (observed_yx - signal_yx) / network.scale.noise_adu(signal_yx)
        units_yx = in_light_of(_without_gaps(plane_yx), network.scale)
        return cls(removed_yx.clamp(-_CLIPPED, _CLIPPED), units_yx, float(np.mean(estimate.copied_yx)))

    def covariances(self, other: "_Residual") -> list[float]:
        """Return the covariance with another plane where it lies, and where the scene has moved to."""
        placement = Motion(self.units_yx).of(other.units_yx)
        places = [other.removed_yx, *([] if placement is None else [placement.of(other.removed_yx)])]
        products = [self.removed_yx * removed_yx for removed_yx in places]
        return [float(product.nanmean()) for product in products if bool(product.isfinite().any())]
