"""A noise model from noisy images alone: their denoised version stands in for the signal."""

from collections.abc import Callable

import torch

from worker.engine.networks.network import Network
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.fitting.select import SelectedNoiseModel, count_histogram, select_gmm
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.noise.measuring.residual_correction import deviation_factor
from worker.engine.noise.models.histogram import HistogramCounts
from worker.engine.noise.models.kinds import AnyNoiseModel, NoiseModelKind
from worker.engine.planes.sequence import PlaneSequence, evenly_spaced
from worker.engine.prediction.inference import predict_plane

UNRELIABLE_FRACTION = 0.005
"""Share of the darkest and of the brightest signals that is left out: a network is least sure of them."""


def bootstrap_noise_model(
    planes: PlaneSequence,
    network: Network,
    *,
    facts: ImageFacts,
    kind: NoiseModelKind = "gmm",
    seed: int,
    device: torch.device,
    on_plane: Callable[[int, int], None],
) -> SelectedNoiseModel[AnyNoiseModel]:
    """Fit a mixture, or count a histogram, of (observation, pseudo ground truth) pairs (Prakash et al. 2020).

    The pseudo ground truth is the network's prediction, of a PN2V network its prior mean: an estimate that
    weighs in the observation would hide a part of the noise. Calls `on_plane(done, planes)` after each plane.
    Raises NoiseFitError.
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
    network: Network,
    *,
    facts: ImageFacts,
    device: torch.device,
    on_plane: Callable[[int, int], None],
    histogram: HistogramCounts | None = None,
) -> PairCounts:
    """Count pairs of observation and pseudo ground truth, where that is reliable; into a histogram, all."""
    chosen = evenly_spaced(planes)
    counts = PairCounts(observation_max_adu=facts.saturation_adu)
    for done, index in enumerate(chosen, start=1):
        plane = planes[index]
        signal_yx = predict_plane(network, plane, device=device).prior_mean_yx
        # Of noise that correlates, high frequencies hold less than their share.
        factor_yx = 1.0 if facts.correlated else deviation_factor(plane, signal_yx)
        counts.add(plane, signal_yx, deviation_factor=factor_yx)
        if histogram is not None:
            histogram.add(plane, signal_yx, deviation_factor=factor_yx, saturated=counts.saturates(plane))
        on_plane(done, len(chosen))
    return counts.trimmed(UNRELIABLE_FRACTION, 1 - UNRELIABLE_FRACTION)
