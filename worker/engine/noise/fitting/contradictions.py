"""Sets of pixel pairs whose noise contradicts that of the others: another gain, or a wrong image."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from worker.engine.noise.fitting.binning import FloatArray
from worker.engine.noise.fitting.kept_pairs import KeptPairs, KeptSets

_POINTS = 24
_MIN_PIXELS = 30.0
_ALIKE = 0.1
"""Logarithm of a tolerated ratio: bootstrapped noise of unlike specimens differs by up to 5 %."""
_SIGNIFICANCE = 3.0
_SOFT = 0.02
_PARTS = 8


@dataclass(frozen=True)
class Contradiction:
    """A set, by its index, whose variance is `variance_ratio` times that of the others at its signals."""

    index: int
    variance_ratio: float


@dataclass(frozen=True, eq=False)
class _Curve:
    """Photon transfer curve of a set; the weights of its points add up to 1."""

    signal_adu: FloatArray
    log_variance: FloatArray
    weight: FloatArray
    pairs: float

    @property
    def error(self) -> float:
        """Standard error of the logarithm of its variance."""
        return float(np.sqrt(2 / self.pairs))


def contradictions(kept: KeptSets) -> list[Contradiction]:
    """Return the sets whose variances lie away from one line over the signal, on which most sets agree.

    Each set counts alike, however many pixels it has. Of two sets, neither can be told to be wrong.
    """
    curves = [_curve(each) for each in kept]
    log_ratios = _log_ratios(curves)
    log_ratios -= np.median(log_ratios)
    return [
        Contradiction(index, float(np.exp(log_ratio)))
        for index, (log_ratio, curve) in enumerate(zip(log_ratios, curves, strict=True))
        if abs(log_ratio) > _ALIKE + _SIGNIFICANCE * curve.error
    ]


def _curve(kept: KeptPairs) -> _Curve:
    pixels, sums, squares = (
        np.bincount(kept.row, kept.count * kept.deviation_adu**power) for power in range(3)
    )
    first = np.arange(0, len(pixels), -(-len(pixels) // _POINTS))
    signal_sums = pixels * kept.signal_adu
    pixels, sums, squares, signal_sums = (
        np.add.reduceat(each, first) for each in (pixels, sums, squares, signal_sums)
    )
    variance = squares / pixels - (sums / pixels) ** 2
    usable = (pixels >= min(_MIN_PIXELS, pixels.max())) & (variance > 0)
    weight = pixels[usable] / pixels[usable].sum()
    signal_adu = signal_sums[usable] / pixels[usable]
    return _Curve(signal_adu, np.log(variance[usable]), weight, float(pixels.sum()))


def _log_ratios(curves: Sequence[_Curve]) -> FloatArray:
    """Fit one line to the variances of all sets, so that as many as possible lie close; return the ratios."""
    signal_adu = np.concatenate([curve.signal_adu for curve in curves])
    log_variance = np.concatenate([curve.log_variance for curve in curves])
    weight = np.concatenate([curve.weight for curve in curves])
    low_adu, range_adu = float(signal_adu.min()), max(float(np.ptp(signal_adu)), np.finfo(np.float64).tiny)

    def log_line(at_adu: FloatArray, log_ends: FloatArray) -> FloatArray:
        first, last = np.exp(log_ends)
        return np.asarray(np.log(first + (last - first) * (at_adu - low_adu) / range_adu))

    def distance(log_ends: FloatArray) -> float:
        away = log_line(signal_adu, log_ends) - log_variance
        return float(weight @ np.sqrt(away**2 + _SOFT**2))

    order = np.argsort(signal_adu, kind="stable")
    darkest, *_, brightest = np.array_split(log_variance[order], min(_PARTS, max(order.size, 2)))
    start = np.array([np.median(each if each.size else log_variance) for each in (darkest, brightest)])
    found = minimize(distance, start, method="Nelder-Mead")
    return np.array(
        [curve.weight @ (curve.log_variance - log_line(curve.signal_adu, found.x)) for curve in curves]
    )
