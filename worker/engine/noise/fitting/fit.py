"""Maximum likelihood fit of a Gaussian mixture noise model to pair counts: full-batch L-BFGS."""

from dataclasses import dataclass
from typing import Generic

import numpy as np
import torch
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from worker.engine.errors import NoiseFitError
from worker.engine.noise.fitting.binning import FloatArray
from worker.engine.noise.fitting.mixture_likelihood import MixtureLikelihood
from worker.engine.noise.fitting.pairs import Cells, PairCounts, PhotonTransferCurve
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.noise.models.kinds import AnyNoiseModel, Model_co

MIN_PAIRS = 100
# These numbers of pixels determine the variance of a signal bin to 6 %, and to 50 % for the smallest images.
_RELIABLE_PIXELS, _MIN_PIXELS = 500.0, 8.0
# Signal bins pooled for the photon transfer curve, with many and with few pairs.
_MANY_PAIRS = 100_000
_FINE_CURVE_POOL, _COARSE_CURVE_POOL = 8, 64
# Fraction of outliers (hot pixels, cosmic rays), beyond about five standard deviations.
_OUTLIERS = 1e-4
# Coarse bins find the optimum, fine bins refine it; a few iterations from each start show which is the best.
# Using all bins and iterations lowers the NLL by less than 1e-5 nats.
_COARSE_POOL, _FINE_POOL = 16, 4
_START_ITERATIONS, _COARSE_ITERATIONS, _FINE_ITERATIONS = 40, 150, 30


@dataclass(frozen=True)
class FittedNoiseModel(Generic[Model_co]):
    """A fitted noise model with statistics of the fit; `mean_nll` in nats per pixel over `pairs` pixels."""

    model: Model_co
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
) -> FittedNoiseModel[GaussianMixtureNoiseModel]:
    """Fit a mixture of K components and n coefficients by maximum likelihood.

    Signal bins where the detector saturates are excluded. `variance_floor_adu2` defaults to `variance_floor`
    of the data. Raises NoiseFitError if there are too few pairs, or they contain no noise.
    """
    counts = counts.unsaturated()
    if counts.pairs < MIN_PAIRS:
        raise NoiseFitError(
            f"only {counts.pairs} pixels can be used to fit a noise model, which needs at least {MIN_PAIRS}; "
            "use more images, or larger ones"
        )
    signal_range_adu = counts.signal_range_adu
    if signal_range_adu[0] == signal_range_adu[1]:
        raise NoiseFitError(
            "all signals are equal, but a noise model needs dark and bright pixels; use images of a specimen"
        )
    pool = _FINE_CURVE_POOL if counts.pairs >= _MANY_PAIRS else _COARSE_CURVE_POOL
    curve = counts.photon_transfer_curve(pool=pool)
    floor = variance_floor(curve, counts.step_adu) if variance_floor_adu2 is None else variance_floor_adu2
    coarse = _Problem(counts.cells(pool=_COARSE_POOL), curve, floor, signal_range_adu)
    fine = _Problem(counts.cells(pool=_FINE_POOL), curve, floor, signal_range_adu)
    # The problem is too small for several BLAS threads, which would only spin and occupy cores.
    with threadpool_limits(limits=1, user_api="blas"):
        candidates = []
        for _ in range(starts):
            start = coarse.start(components, coefficients, generator)
            candidates.append(coarse.minimise(start, _START_ITERATIONS))
        best = min(candidates, key=lambda candidate: candidate[1])[0]
        coarse_optimum, _ = coarse.minimise(best, _COARSE_ITERATIONS)
        weights, mean_nll = fine.minimise(coarse_optimum, _FINE_ITERATIONS)
    return FittedNoiseModel(
        model=fine.model(weights),
        mean_nll=mean_nll,
        pairs=counts.pairs,
        saturated=counts.saturated,
        not_finite=counts.not_finite,
    )


def mean_nll(model: AnyNoiseModel, counts: PairCounts) -> float:
    """Return the mean negative log-likelihood (nats per pixel) of the pairs."""
    cells = counts.cells()
    signal, deviation = torch.from_numpy(cells.signal_adu), torch.from_numpy(cells.deviation_adu)
    log_likelihood = model.log_likelihood(signal + deviation, signal).numpy()
    return float(-np.average(log_likelihood, weights=cells.count))


def variance_floor(curve: PhotonTransferCurve, step_adu: float) -> float:
    """Return a third of the smallest variance in the data, at least the variance of rounding to `step_adu`.

    Measured on 8-bit detectors at few photons: with a tenth or less, components shrink to the peaks of single
    photons, the likelihood rises and the estimates get worse (by 0.2 dB, in the dark by more than 1 dB);
    between a third and one it makes no difference.
    """
    enough = max(0.02 * float(curve.count.sum()), _MIN_PIXELS)
    enough = min(enough, _RELIABLE_PIXELS, float(curve.count.max()))
    floor = max(float(curve.variance_adu2[curve.count >= enough].min()) / 3, step_adu**2 / 12)
    if floor <= 0:
        raise NoiseFitError(
            "the images hold no noise to fit a noise model to; use them as they were recorded, neither "
            "averaged nor filtered"
        )
    return floor


class _Problem:
    """Optimisation problem of a fit: mean negative log-likelihood of weights scaled to order one."""

    def __init__(
        self,
        cells: Cells,
        curve: PhotonTransferCurve,
        floor_adu2: float,
        signal_range_adu: tuple[float, float],
    ) -> None:
        self.floor_adu2 = floor_adu2
        self.signal_min_adu, self.signal_max_adu = signal_range_adu
        self.curve = curve
        self.variance_scale_adu2 = max(
            float(np.average(curve.variance_adu2, weights=curve.count)), floor_adu2
        )
        self.likelihood = MixtureLikelihood(
            cells,
            signal_min_adu=self.signal_min_adu,
            signal_max_adu=self.signal_max_adu,
            variance_floor_adu2=floor_adu2,
        )

    def start(self, components: int, coefficients: int, generator: torch.Generator) -> FloatArray:
        """Return a start: variances near a line through the photon transfer curve, the rest random."""
        unit = (self.curve.signal_adu - self.signal_min_adu) / (self.signal_max_adu - self.signal_min_adu)
        weight = np.sqrt(self.curve.count) / (self.curve.variance_adu2 + self.floor_adu2)
        slope, intercept = 0.0, float(self.curve.variance_adu2[0])
        if unit.size > 1:
            slope, intercept = np.polyfit(unit, self.curve.variance_adu2, 1, w=weight)
        line = np.full(coefficients, 1e-3 * self.variance_scale_adu2)
        line[0] = max(intercept, self.floor_adu2)
        line[1:2] = max(slope, line[0] * 1e-3)
        small = torch.randn((3, components, coefficients), generator=generator, dtype=torch.float64) / 2
        means, variances, logits = small.numpy()
        if components > 1:
            variances += np.linspace(-1.0, 1.0, components)[:, np.newaxis]
        variances += np.log(line / self.variance_scale_adu2)
        return np.concatenate([means, variances, logits])

    def minimise(self, start: FloatArray, iterations: int) -> tuple[FloatArray, float]:
        def penalised(flat: FloatArray) -> tuple[float, FloatArray]:
            value, gradient = self.mean_nll(flat.reshape(start.shape))
            return value + 1e-7 * float(flat @ flat), gradient.reshape(-1) + 2e-7 * flat

        found = minimize(
            penalised,
            start.reshape(-1),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": iterations, "maxcor": 20, "gtol": 1e-7, "ftol": 1e-10},
        )
        end = found.x.reshape(start.shape)
        # A line search may diverge; the start, on the photon transfer line, is finite.
        result = end if np.isfinite(self.mean_nll(end)[0]) else start
        return result, self.mean_nll(result)[0]

    def mean_nll(self, scaled: FloatArray) -> tuple[float, FloatArray]:
        """Return the mean negative log-likelihood and its gradient with respect to the scaled weights."""
        value, gradient = self.likelihood.mean_nll(self.weights(scaled))
        gradient[: len(gradient) // 3] *= self.variance_scale_adu2**0.5
        return value, gradient

    def weights(self, scaled: FloatArray) -> FloatArray:
        """Return the weights in the units of the noise model: ADU, log of ADU^2, logits."""
        means, variances, logits = np.split(scaled, 3)
        return np.concatenate(
            [means * self.variance_scale_adu2**0.5, variances + np.log(self.variance_scale_adu2), logits]
        )

    def model(self, scaled: FloatArray) -> GaussianMixtureNoiseModel:
        return GaussianMixtureNoiseModel(
            weights=torch.from_numpy(self.weights(scaled)),
            signal_min_adu=self.signal_min_adu,
            signal_max_adu=self.signal_max_adu,
            variance_floor_adu2=self.floor_adu2,
            outlier_density_per_adu=min(_OUTLIERS / (self.signal_max_adu - self.signal_min_adu), 0.5),
        )
