"""A noise model from noisy images alone: their denoised version stands in for the signal."""

from collections.abc import Callable

import numpy as np
import torch

from worker.engine.inference import predict_plane
from worker.engine.network import Network
from worker.engine.noise.fit import FittedNoiseModel, fit_gmm
from worker.engine.noise.pairs import PairCounts
from worker.engine.patches import PlaneSequence

UNRELIABLE_FRACTION = 0.005
"""Share of the darkest and of the brightest signals that is left out: a network is least sure of them."""

MOST_PIXELS = 1 << 24
"""So many pixel pairs determine a noise model; of a larger set of planes, evenly spaced ones are taken."""


def bootstrap_noise_model(
    planes: PlaneSequence,
    network: Network,
    *,
    seed: int,
    device: torch.device,
    on_plane: Callable[[int, int], None],
) -> FittedNoiseModel:
    """Fit a noise model to (observation, pseudo ground truth) pairs (Prakash et al. 2020).

    The pseudo ground truth is the network's prediction, of a PN2V network its prior mean: an estimate that
    weighs in the observation would hide a part of the noise. Calls `on_plane(done, planes)` after each plane.
    Raises NoiseFitError.
    """
    generator = torch.Generator().manual_seed(seed)
    counts = PairCounts()
    chosen = _evenly_spaced(planes)
    for done, index in enumerate(chosen, start=1):
        plane = planes[index]
        counts.add(plane, predict_plane(network, plane, device=device).prior_mean_yx)
        on_plane(done, len(chosen))
    return fit_gmm(counts.trimmed(UNRELIABLE_FRACTION, 1 - UNRELIABLE_FRACTION), generator=generator)


def _evenly_spaced(planes: PlaneSequence) -> list[int]:
    fitting = max(1, MOST_PIXELS // max(np.asarray(planes[0]).size, 1))
    count = min(len(planes), fitting)
    return [round(position) for position in np.linspace(0, len(planes) - 1, count)]
