"""Likelihood of binned pixel pairs under a Gaussian mixture, with an analytic gradient."""

import numpy as np

from models_store.contracts.noise_model_limits import MAX_COEFFICIENTS
from worker.engine.noise.fitting.binning import FloatArray
from worker.engine.noise.fitting.pairs import Cells

_MAX_LOG_VARIANCE = 100.0
"""Upper bound that avoids overflow: the optimiser may try any weights."""


class MixtureLikelihood:
    """Mean negative log-likelihood (nats per pixel) as a function of the mixture's weights.

    For a few thousand cells autograd is mostly overhead: the analytic gradient takes a tenth of the time.
    """

    def __init__(
        self, cells: Cells, *, signal_min_adu: float, signal_max_adu: float, variance_floor_adu2: float
    ) -> None:
        signal_adu, self._first_cell, cells_per_signal = np.unique(
            cells.signal_adu, return_index=True, return_counts=True
        )
        unit_signal = (signal_adu - signal_min_adu) / (signal_max_adu - signal_min_adu)
        self._powers = unit_signal.clip(0.0, 1.0) ** np.arange(MAX_COEFFICIENTS)[:, np.newaxis]
        self._row = np.repeat(np.arange(signal_adu.size), cells_per_signal)
        self._deviation_adu = cells.deviation_adu
        self._share = cells.count / cells.count.sum()
        self._variance_floor_adu2 = variance_floor_adu2

    def mean_nll(self, weights: FloatArray) -> tuple[float, FloatArray]:
        """Return value and gradient at `weights` (3K, n): means, log variances, logits of K components."""
        components, coefficients = len(weights) // 3, weights.shape[1]
        means = weights[:components]
        log_variances = np.minimum(weights[components : 2 * components], _MAX_LOG_VARIANCE)
        logits = weights[2 * components :]
        powers = self._powers[:coefficients]
        uncentred = means @ powers
        spread = np.exp(log_variances) @ powers
        variance = np.maximum(spread, self._variance_floor_adu2)
        logit = logits @ powers
        # Written out, because for small arrays the overhead of library functions dominates.
        logit -= logit.max(axis=0)
        odds = np.exp(logit)
        all_odds = odds.sum(axis=0)
        weight, log_weight = odds / all_odds, logit - np.log(all_odds)
        mean = uncentred - (uncentred * weight).sum(axis=0)
        precision = 0.5 / variance
        height = log_weight + 0.5 * np.log(precision / np.pi)

        distance = self._deviation_adu - self._per_cell(mean)
        square = distance**2
        terms = self._per_cell(height) - square * self._per_cell(precision)
        greatest = terms.max(axis=0)
        density = np.exp(terms - greatest)
        total = density.sum(axis=0)
        value = -float(self._share @ (greatest + np.log(total)))

        by_term = density * (-self._share / total)
        by_height = self._per_signal(by_term)
        by_mean = 2 * precision * self._per_signal(by_term * distance)
        by_variance = (2 * precision * self._per_signal(by_term * square) - by_height) * precision
        by_variance[spread < self._variance_floor_adu2] = 0.0
        by_centre = -by_mean.sum(axis=0)
        by_log_weight = by_height + by_centre * uncentred * weight
        by_logit = by_log_weight - weight * by_log_weight.sum(axis=0)
        gradient = np.concatenate(
            [
                (by_mean + by_centre * weight) @ powers.T,
                by_variance @ powers.T * np.exp(log_variances),
                by_logit @ powers.T,
            ]
        )
        return value, gradient

    def _per_cell(self, per_signal: FloatArray) -> FloatArray:
        # Several times faster than fancy indexing.
        return per_signal.take(self._row, axis=1)

    def _per_signal(self, per_cell: FloatArray) -> FloatArray:
        return np.asarray(np.add.reduceat(per_cell, self._first_cell, axis=1))
