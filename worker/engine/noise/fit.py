"""Maximum likelihood fit of a Gaussian mixture noise model to pair counts: full-batch L-BFGS."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from worker.engine.errors import NoiseFitError
from worker.engine.noise.gmm import GaussianMixtureNoiseModel, log_sum_exp, mixture
from worker.engine.noise.pairs import Cells, PairCounts, PhotonTransferCurve

MIN_PAIRS = 100
# So many pixels tell the variance of a signal bin to 6 %; to 50 %, which has to do for the smallest images.
_CERTAIN_PIXELS, _FEWEST_PIXELS = 500.0, 8.0
# Signal bins taken together for the photon transfer curve, of many and of few pairs.
_MANY_PAIRS = 100_000
_FINE_CURVE_POOL, _COARSE_CURVE_POOL = 8, 64
# One pixel in so many may be anything (a hot pixel, a cosmic ray): beyond five standard deviations, about.
_OUTLIERS = 1e-4
# A few dozen signal bins place the parameters, all of them polish: the first is a tenth of the work.
_COARSE_POOL = 16
_COARSE_ITERATIONS = 150
_FINE_ITERATIONS = 60


@dataclass(frozen=True)
class FittedNoiseModel:
    """A noise model with what it was fitted on; `mean_nll` in nats per pixel over `pairs` pixels."""

    model: GaussianMixtureNoiseModel
    mean_nll: float
    pairs: int
    saturated: int
    not_finite: int


def fit_gmm(
    counts: PairCounts,
    components: int = 3,
    coefficients: int = 2,
    variance_floor_adu2: float | None = None,
    *,
    generator: torch.Generator,
    starts: int = 3,
) -> FittedNoiseModel:
    """The mixture of K components and n coefficients that maximises the likelihood of all pairs counted.

    Signal bins where the detector saturates are left out. Without a `variance_floor_adu2` it comes from the
    data (`variance_floor`). NoiseFitError if there are too few pairs, or no noise in them.
    """
    counts = counts.unsaturated()
    if counts.pairs < MIN_PAIRS:
        raise NoiseFitError(f"{counts.pairs} usable pixel pairs, at least {MIN_PAIRS} are needed")
    cells = counts.cells()
    signal_range_adu = float(cells.signal_adu.min()), float(cells.signal_adu.max())
    if signal_range_adu[0] == signal_range_adu[1]:
        raise NoiseFitError("all signals are equal: a noise model needs pairs over a range of intensities")
    pool = _FINE_CURVE_POOL if counts.pairs >= _MANY_PAIRS else _COARSE_CURVE_POOL
    curve = counts.photon_transfer_curve(pool=pool)
    floor = variance_floor(curve, counts.step_adu) if variance_floor_adu2 is None else variance_floor_adu2
    coarse = _Problem(counts.cells(pool=_COARSE_POOL), curve, floor, signal_range_adu)
    fine = _Problem(cells, curve, floor, signal_range_adu)
    candidates = []
    for _ in range(starts):
        start = coarse.start(components, coefficients, generator)
        candidates.append(coarse.minimise(start, _COARSE_ITERATIONS))
    best = min(candidates, key=lambda candidate: candidate[1])[0]
    weights, mean_nll = fine.minimise(best, _FINE_ITERATIONS)
    return FittedNoiseModel(
        model=fine.model(weights),
        mean_nll=mean_nll,
        pairs=counts.pairs,
        saturated=counts.saturated,
        not_finite=counts.not_finite,
    )


def mean_nll(model: GaussianMixtureNoiseModel, counts: PairCounts) -> float:
    """Mean negative log-likelihood (nats per pixel) of the pairs counted."""
    cells = counts.cells()
    signal, deviation = torch.from_numpy(cells.signal_adu), torch.from_numpy(cells.deviation_adu)
    log_likelihood = model.log_likelihood(signal + deviation, signal).numpy()
    return float(-np.average(log_likelihood, weights=cells.count))


def variance_floor(curve: PhotonTransferCurve, step_adu: float) -> float:
    """A third of the smallest variance in the data, but no less than what rounding to `step_adu` makes.

    Measured on 8-bit detectors of few photons: with a tenth or less, components shrink to the peaks of single
    photons, the likelihood rises and the estimates get worse (by 0.2 dB, in the dark by more than 1 dB);
    between a third and one it makes no difference.
    """
    enough = max(0.02 * float(curve.count.sum()), _FEWEST_PIXELS)
    enough = min(enough, _CERTAIN_PIXELS, float(curve.count.max()))
    floor = max(float(curve.variance_adu2[curve.count >= enough].min()) / 3, step_adu**2 / 12)
    if floor <= 0:
        raise NoiseFitError("the observations equal the signal: there is no noise to model")
    return floor


class _Problem:
    """Weights in units in which they are all of order one, and their mean negative log-likelihood."""

    def __init__(
        self,
        cells: Cells,
        curve: PhotonTransferCurve,
        floor_adu2: float,
        signal_range_adu: tuple[float, float],
    ) -> None:
        signal, row = np.unique(cells.signal_adu, return_inverse=True)
        self.floor_adu2 = floor_adu2
        self.signal_min_adu, self.signal_max_adu = signal_range_adu
        unit = (signal - self.signal_min_adu) / (self.signal_max_adu - self.signal_min_adu)
        self.unit_signal = torch.from_numpy(unit.clip(0.0, 1.0))
        self.row = torch.from_numpy(row)
        self.deviation = torch.from_numpy(cells.deviation_adu)
        self.share = torch.from_numpy(cells.count / cells.count.sum())
        self.curve = curve
        self.variance_scale_adu2 = max(
            float(np.average(curve.variance_adu2, weights=curve.count)), floor_adu2
        )

    def start(self, components: int, coefficients: int, generator: torch.Generator) -> Tensor:
        """Variances around the straight line through the photon transfer curve, the rest random and small."""
        unit = (self.curve.signal_adu - self.signal_min_adu) / (self.signal_max_adu - self.signal_min_adu)
        weight = np.sqrt(self.curve.count) / (self.curve.variance_adu2 + self.floor_adu2)
        slope, intercept = 0.0, float(self.curve.variance_adu2[0])
        if unit.size > 1:
            slope, intercept = np.polyfit(unit, self.curve.variance_adu2, 1, w=weight)
        line = np.full(coefficients, 1e-3 * self.variance_scale_adu2)
        line[0] = max(intercept, self.floor_adu2)
        line[1:2] = max(slope, line[0] * 1e-3)
        means, variances, logits = torch.randn(
            (3, components, coefficients), generator=generator, dtype=torch.float64
        ).mul_(0.5)
        variances += (
            torch.linspace(-1.0, 1.0, components, dtype=torch.float64)[:, None] if components > 1 else 0.0
        )
        variances += torch.from_numpy(np.log(line / self.variance_scale_adu2))
        return torch.cat([means, variances, logits])

    def minimise(self, start: Tensor, iterations: int) -> tuple[Tensor, float]:
        scaled = start.clone().requires_grad_()
        optimiser = torch.optim.LBFGS(
            [scaled],
            max_iter=iterations,
            history_size=20,
            tolerance_grad=1e-7,
            tolerance_change=1e-9,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            optimiser.zero_grad()
            loss = self.mean_nll(scaled) + 1e-7 * scaled.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]  # because torch left it so, as below
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        end = scaled.detach()
        # A line search may run off to infinity; the start lies on the photon transfer line.
        result = end if bool(self.mean_nll(end).isfinite()) else start
        return result, self.mean_nll(result).item()

    def mean_nll(self, scaled: Tensor) -> Tensor:
        """The mixture is evaluated once per signal bin and spread to the cells."""
        means, variances, log_weights = mixture(self.weights(scaled), self.unit_signal, self.floor_adu2)
        terms = []
        for mean, variance, log_weight in zip(means, variances, log_weights, strict=True):
            height, precision = log_weight - 0.5 * torch.log(2 * torch.pi * variance), 0.5 / variance
            terms.append(height[self.row] - (self.deviation - mean[self.row]).square() * precision[self.row])
        return -(self.share * log_sum_exp(terms)).sum()

    def weights(self, scaled: Tensor) -> Tensor:
        """In the units of the noise model: ADU, log of ADU^2, logits."""
        means, variances, logits = scaled.chunk(3)
        return torch.cat(
            [means * self.variance_scale_adu2**0.5, variances + np.log(self.variance_scale_adu2), logits]
        )

    def model(self, scaled: Tensor) -> GaussianMixtureNoiseModel:
        return GaussianMixtureNoiseModel(
            weights=self.weights(scaled),
            signal_min_adu=self.signal_min_adu,
            signal_max_adu=self.signal_max_adu,
            variance_floor_adu2=self.floor_adu2,
            outlier_density_per_adu=min(_OUTLIERS / (self.signal_max_adu - self.signal_min_adu), 0.5),
        )
