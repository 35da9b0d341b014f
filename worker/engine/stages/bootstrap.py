"""Bootstrap stage: a noise model from noisy images alone, with denoised images as pseudo ground truth."""

from collections.abc import Callable

import numpy as np
import torch

from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.fitting.select import SelectedNoiseModel, count_histogram, select_gmm
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.noise.measuring.residual_correction import deviation_factor
from worker.engine.noise.models.histogram import HistogramCounts
from worker.engine.noise.models.kinds import AnyNoiseModel, NoiseModelKind
from worker.engine.planes.sequence import PlaneSequence, affordable, with_data
from worker.engine.prediction.inference import predict_plane
from worker.engine.stages.pretrained import estimate_and_factor

UNRELIABLE_FRACTION = 0.005
"""Fraction of the darkest and brightest signals that is left out: the network is least reliable there."""


def bootstrap_noise_model(
    planes: PlaneSequence,
    network: Network | PretrainedNetwork,
    *,
    facts: ImageFacts,
    kind: NoiseModelKind = "gmm",
    seed: int,
    device: torch.device,
    on_plane: Callable[[int, int], None],
) -> SelectedNoiseModel[AnyNoiseModel]:
    """Fit a mixture or histogram to (observation, pseudo ground truth) pairs (Prakash et al. 2020).

    The pseudo ground truth is the network's prediction, for PN2V the prior mean: an estimate that uses the
    pixel's own observation hides a part of the noise, which the pretrained network states. Calls
    `on_plane(done, planes)` after each plane. Raises NoiseFitError.
    """
    generator = torch.Generator().manual_seed(seed)
    histogram = facts.empty_histogram() if kind == "histogram" else None
    counts = count_pseudo_pairs(
        planes, network, facts=facts, device=device, on_plane=on_plane, histogram=histogram
    )
    if histogram is None:
        return select_gmm(counts, generator=generator)
    histogram.trim(UNRELIABLE_FRACTION, 1 - UNRELIABLE_FRACTION)
    return count_histogram(histogram, counts)


def count_pseudo_pairs(
    planes: PlaneSequence,
    network: Network | PretrainedNetwork,
    *,
    facts: ImageFacts,
    device: torch.device,
    on_plane: Callable[[int, int], None],
    histogram: HistogramCounts | None = None,
) -> PairCounts:
    """Count pairs of observation and reliable pseudo ground truth; a given histogram counts all pairs."""
    count = affordable(planes)
    counts = PairCounts(observation_max_adu=facts.saturation_adu)
    for done, plane in enumerate(with_data(planes, count), start=1):
        signal_yx, factor_yx = _pseudo_ground_truth(plane, network, facts, device)
        counts.add(plane, signal_yx, deviation_factor=factor_yx)
        if histogram is not None:
            histogram.add(plane, signal_yx, deviation_factor=factor_yx, saturated=counts.saturates(plane))
        on_plane(done, count)
    return counts.trimmed(UNRELIABLE_FRACTION, 1 - UNRELIABLE_FRACTION)


def _pseudo_ground_truth(
    plane_yx: np.ndarray, network: Network | PretrainedNetwork, facts: ImageFacts, device: torch.device
) -> tuple[np.ndarray, float | np.ndarray]:
    """Return the signal (Y, X) and the factor that makes residuals as large as the noise."""
    if isinstance(network, PretrainedNetwork):
        return estimate_and_factor(network, plane_yx, device=device)
    signal_yx = predict_plane(network, plane_yx, device=device).prior_mean_yx
    # The correction assumes white noise: correlated noise has less power at high frequencies.
    return signal_yx, 1.0 if facts.correlated else deviation_factor(plane_yx, signal_yx)
