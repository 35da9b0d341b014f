"""A noise model from noisy images alone: their denoised version stands in for the signal."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from worker.engine.inference import predict_plane
from worker.engine.network import Network
from worker.engine.noise.binning import step_adu
from worker.engine.noise.histogram import HistogramCounts
from worker.engine.noise.kinds import AnyNoiseModel, Kind
from worker.engine.noise.pairs import PairCounts
from worker.engine.noise.select import SelectedNoiseModel, count_histogram, select_gmm
from worker.engine.patches import PlaneSequence

UNRELIABLE_FRACTION = 0.005
"""Share of the darkest and of the brightest signals that is left out: a network is least sure of them."""

MOST_PIXELS = 1 << 24
"""So many pixel pairs determine a noise model; of a larger set of planes, evenly spaced ones are taken."""

_TOP_VALUES = 9
_PILE_UP = 4
_LEAST_PILE_UP = 15


def bootstrap_noise_model(
    planes: PlaneSequence,
    network: Network,
    *,
    kind: Kind = "gmm",
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
    chosen = _evenly_spaced(planes)
    counts = PairCounts(observation_max_adu=_saturation_adu(planes, chosen))
    histogram = _empty_histogram(planes, chosen) if kind == "histogram" else None
    for done, index in enumerate(chosen, start=1):
        plane = planes[index]
        signal_yx = predict_plane(network, plane, device=device).prior_mean_yx
        counts.add(plane, signal_yx)
        if histogram is not None:
            histogram.add(plane, signal_yx, saturated=counts.saturates(plane))
        on_plane(done, len(chosen))
    reliable = counts.trimmed(UNRELIABLE_FRACTION, 1 - UNRELIABLE_FRACTION)
    if histogram is None:
        return select_gmm(reliable, generator=generator)
    histogram.trim(UNRELIABLE_FRACTION, 1 - UNRELIABLE_FRACTION)
    return count_histogram(histogram, reliable)


def _empty_histogram(planes: PlaneSequence, chosen: Sequence[int]) -> HistogramCounts:
    """Over the range of these planes, which are what will be denoised."""
    low_adu, high_adu, steps_adu = math.inf, -math.inf, []
    for index in chosen:
        finite = np.asarray(planes[index], dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        low_adu, high_adu = min(low_adu, float(finite.min())), max(high_adu, float(finite.max()))
        steps_adu.append(step_adu(finite))
    return HistogramCounts(min_adu=low_adu, max_adu=high_adu, step_adu=min(steps_adu))


def _saturation_adu(planes: PlaneSequence, chosen: Sequence[int]) -> float | None:
    """Where the detector ends, recognised by pixels that pile up at the highest value; None if they do not.

    The pixel type does not tell: a 12-bit camera saturates at 4095 of uint16, and planes may come as float32.
    """
    highest: dict[float, int] = {}
    for index in chosen:
        plane = np.asarray(planes[index])
        values, counts = np.unique(plane[np.isfinite(plane)], return_counts=True)
        for value, count in zip(values[-_TOP_VALUES:], counts[-_TOP_VALUES:], strict=True):
            highest[float(value)] = highest.get(float(value), 0) + int(count)
    top, *below = sorted(highest, reverse=True)[:_TOP_VALUES] or [0.0]
    if len(below) < _TOP_VALUES - 1:
        return None
    usual = sum(highest[value] for value in below) / len(below)
    return top if highest[top] > max(_LEAST_PILE_UP, _PILE_UP * usual) else None


def _evenly_spaced(planes: PlaneSequence) -> list[int]:
    fitting = max(1, MOST_PIXELS // max(np.asarray(planes[0]).size, 1))
    count = min(len(planes), fitting)
    return [round(position) for position in np.linspace(0, len(planes) - 1, count)]
