"""Noise models from a calibration stack or a subset of it, as in the paper's ablations."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from models_store.survey.survey import survey_planes
from worker.engine.errors import NoiseFitError
from worker.engine.noise.fitting.fit import fit_gmm
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.measuring.scene import average_scene
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.noise.models.histogram import HistogramCounts
from worker.engine.planes.sequence import PlaneSequence
from worker.judging.image_facts import facts_of


@dataclass(frozen=True)
class CalibrationSubset:
    """Selection of calibration pixels."""

    signal_share: float = 1.0
    """Only signals up to this fraction of the range of the data's signals; 1 for all signals."""
    pixel_share: float = 1.0
    """Random fraction of those pixels, sampled anew for each frame."""

    def mask(
        self, signal_yx: NDArray[np.float64], data_range_adu: tuple[float, float], rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        low, high = data_range_adu
        # The data's darkest pixels are noise, so the range starts at the calibration's darkest signal.
        low = max(low, float(signal_yx.min()))
        chosen = np.ones(signal_yx.shape, dtype=np.bool_)
        if self.signal_share < 1:
            chosen &= signal_yx <= low + self.signal_share * (high - low)
        if self.pixel_share < 1:
            chosen &= rng.random(signal_yx.shape) < self.pixel_share
        return chosen


@dataclass(frozen=True, eq=False)
class CalibrationPairs:
    """Pixel pairs of a calibration, binned for mixtures and counted for histograms."""

    counts: PairCounts
    histogram: HistogramCounts

    def gmm(self, components: int, coefficients: int, *, seed: int) -> GaussianMixtureNoiseModel:
        """Fit a mixture that extrapolates beyond the calibrated signals, as the published ones do."""
        generator = torch.Generator().manual_seed(seed)
        fitted = fit_gmm(self.counts, components, coefficients, generator=generator)
        return replace(fitted.model, extrapolate=True)


def count_calibration(
    frames: PlaneSequence, data: PlaneSequence, subset: CalibrationSubset, *, seed: int
) -> CalibrationPairs:
    """Count pairs of (mean frame, frame); the histogram spans the values of the `data` to denoise.

    Raises ImageUnsuitableError, and NoiseFitError if the subset is empty.
    """
    rng = np.random.default_rng(seed)
    counts = PairCounts(observation_max_adu=survey_planes(frames).saturation_adu)
    scene = average_scene(frames, counts.limits_adu(frames[0].dtype))
    facts = facts_of(survey_planes(data))
    histogram = facts.empty_histogram()
    range_adu = facts.min_adu, facts.max_adu
    for index in scene.indices:
        mask = subset.mask(scene.mean_yx, range_adu, rng) & scene.usable_yx
        if mask.any():
            observed, signal = frames[index][mask], scene.mean_yx[mask]
            counts.add(observed, signal, deviation_factor=scene.deviation_factor)
            histogram.add(observed, signal, deviation_factor=scene.deviation_factor)
    if not counts.pairs:
        raise NoiseFitError(
            f"{subset} leaves no calibration pixels: their signals begin at {scene.mean_yx.min():.5g} ADU, "
            f"the images span {range_adu[0]:.5g} to {range_adu[1]:.5g} ADU"
        )
    return CalibrationPairs(counts, histogram)
