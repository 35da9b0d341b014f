"""Goodness-of-fit check of a noise model."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from worker.engine.noise.fitting.binning import FloatArray
from worker.engine.noise.fitting.pairs import Cells, PairCounts
from worker.engine.noise.models.histogram import HistogramNoiseModel
from worker.engine.noise.models.kinds import AnyNoiseModel

Verdict = Literal["good", "fair", "poor"]

_HISTOGRAM_BINS = 20
_SIGNAL_GROUPS = 4
_GOOD_DISTANCE = 0.03
_GOOD_VARIANCE_ERROR, _FAIR_VARIANCE_ERROR = 0.05, 0.25
_GOOD_BIAS, _FAIR_BIAS = 0.05, 0.25
MAX_OVERCONFIDENCE = 1.5
# Step in standard deviations of the noise, and the fraction of a Gaussian's information found with it.
_STEP = 0.5
_GAUSSIAN_INFORMATION = 0.8162


@dataclass(frozen=True)
class SignalGroup:
    """Check of a quarter of the pixels, grouped by signal.

    `distance` is the Kolmogorov distance of their probability integral transform from uniform; `bias` is the
    mean deviation in predicted standard deviations; `variance_ratio` is observed over predicted variance.
    """

    signal_min_adu: float
    signal_max_adu: float
    distance: float
    bias: float
    variance_ratio: float


@dataclass(frozen=True)
class NoiseModelCheck:
    """Comparison of observations with the distributions predicted by a model.

    `histogram` is the fraction of pixels per twentieth of the predicted distribution, 0.05 each for a true
    model. `distance` is the largest difference between predicted and observed distribution function
    (Kolmogorov) over all pixels; `groups` the same by signal; `overconfidence` see the function of that name.
    """

    histogram: tuple[float, ...]
    distance: float
    groups: tuple[SignalGroup, ...]
    overconfidence: float

    @property
    def verdict(self) -> Verdict:
        """Poor: estimates suffer. Fair: mean and variance are right, the shape is not (photon peaks)."""
        distance = max(group.distance for group in self.groups)
        bias = max(abs(group.bias) for group in self.groups)
        variance_error = max(abs(group.variance_ratio - 1) for group in self.groups)
        if (
            self.overconfidence > MAX_OVERCONFIDENCE
            or bias > _FAIR_BIAS
            or variance_error > _FAIR_VARIANCE_ERROR
        ):
            return "poor"
        good = distance <= _GOOD_DISTANCE and bias <= _GOOD_BIAS and variance_error <= _GOOD_VARIANCE_ERROR
        return "good" if good else "fair"

    @property
    def summary(self) -> str:
        """One-sentence summary for a report."""
        worst = max(self.groups, key=lambda group: group.distance)
        ratios = [group.variance_ratio for group in self.groups]
        return (
            f"{self.verdict}: the variance is {min(ratios):.2f} .. {max(ratios):.2f} of the predicted one, "
            f"distributions differ by at most {worst.distance:.1%} (signals {worst.signal_min_adu:.4g} .. "
            f"{worst.signal_max_adu:.4g} ADU), overconfidence {self.overconfidence:.2f} (1 is right)"
        )


def check_noise_model(model: AnyNoiseModel, counts: PairCounts) -> NoiseModelCheck:
    """Check a model by the probability integral transform of the unsaturated pairs.

    Binned and integer observations are spread uniformly over their interval (Czado, Gneiting and Held 2009,
    Biometrics 65, 1254), without random numbers.
    """
    counts = counts.unsaturated()
    cells = counts.cells()
    low, high = _transform(model, cells, counts.step_adu)
    _, row = np.unique(cells.signal_adu, return_inverse=True)
    per_signal = np.bincount(row, cells.count)
    rank = (np.cumsum(per_signal) - per_signal / 2) / per_signal.sum()
    group = (rank * _SIGNAL_GROUPS).astype(np.int64)[row]
    predicted = model.variance_adu2(torch.from_numpy(cells.signal_adu)).numpy()
    groups = []
    for index in np.unique(group):
        member = group == index
        signal, count = cells.signal_adu[member], cells.count[member]
        z = cells.deviation_adu[member] / np.sqrt(predicted[member])
        bias = float(np.average(z, weights=count))
        groups.append(
            SignalGroup(
                signal_min_adu=float(signal.min()),
                signal_max_adu=float(signal.max()),
                distance=_distance(_distribution(low[member], high[member], count)),
                bias=bias,
                variance_ratio=float(np.average((z - bias) ** 2, weights=count)),
            )
        )
    distribution = _distribution(low, high, cells.count)
    return NoiseModelCheck(
        histogram=tuple(np.diff(distribution).tolist()),
        distance=_distance(distribution),
        groups=tuple(groups),
        overconfidence=overconfidence(model, counts),
    )


def overconfidence(model: AnyNoiseModel, counts: PairCounts) -> float:
    """Return the Fisher information about the signal times the observation variance, averaged over pixels.

    1 for Poisson noise and for Gaussian noise of constant variance, and by the Cramer-Rao bound never less,
    because the observation itself is an estimator of the signal. A much larger value means that in the model
    narrow components move with the signal, although their positions are fixed in truth (no photon, one
    photon): estimates then follow the noise.
    """
    cells = counts.cells(pool=64)
    signal, row = np.unique(cells.signal_adu, return_inverse=True)
    pixels = np.bincount(row, cells.count)
    at = torch.from_numpy(signal)
    spread = model.variance_adu2(at).sqrt()
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    if isinstance(model, HistogramNoiseModel):
        information = _counted_information(model, at + z[:, None] * spread, at, _STEP * spread)
        information = information.sum(0) * (z[1] - z[0]) * spread / _GAUSSIAN_INFORMATION
        return float(np.average((information * spread.square()).numpy(), weights=pixels))
    grid = at.expand(z.numel(), -1).clone().requires_grad_()
    log_likelihood = model.log_likelihood((at + z[:, None] * spread).detach(), grid)
    (slope,) = torch.autograd.grad(log_likelihood.sum(), grid)
    information = (log_likelihood.detach().exp() * slope.square()).sum(0) * (z[1] - z[0]) * spread
    return float(np.average((information * spread.square()).numpy(), weights=pixels))


def _counted_information(
    model: HistogramNoiseModel, observation: Tensor, signal: Tensor, step: Tensor
) -> Tensor:
    """Return the information by finite differences, because adjacent rows differ by counting noise."""
    below, above = (model.log_likelihood(observation, signal + by).exp() for by in (-step, step))
    return (above - below).square() / (2 * step.square() * (above + below))


def _transform(model: AnyNoiseModel, cells: Cells, step_adu: float) -> tuple[FloatArray, FloatArray]:
    """Return the predicted distribution function at both ends of each cell's interval."""
    half = np.maximum(cells.deviation_width_adu, step_adu) / 2
    signal = torch.from_numpy(cells.signal_adu)
    low, high = (
        model.cumulative(signal + torch.from_numpy(cells.deviation_adu + end), signal).numpy()
        for end in (-half, half)
    )
    return low, high


def _distribution(low: FloatArray, high: FloatArray, count: FloatArray) -> FloatArray:
    """Return the fraction of the transform below each edge 0, 0.05 .. 1; a true model yields the edges."""
    edges = np.linspace(0, 1, _HISTOGRAM_BINS + 1)
    width = np.maximum(high - low, 1e-12)
    share = np.array([np.average(((edge - low) / width).clip(0, 1), weights=count) for edge in edges])
    share[0], share[-1] = 0.0, 1.0
    return share


def _distance(distribution: FloatArray) -> float:
    return float(np.abs(distribution - np.linspace(0, 1, distribution.size)).max())
