"""Removed noise and results by signal, in bins that those of other planes can be added to."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_MAX_BINS = 256
_LEVELS = 12
_FINEST = -20
_MAX_DIGITS = 40
"""Binary digits of a bin's number."""
_MIN_LEVELS = 2


@dataclass(frozen=True)
class SignalLevel:
    """The pixels of a range of signals.

    `signal_adu`, `observed_adu`: means of result and observation. `mean`: of the removed noise in its
    standard deviations, with its standard error if it is independent. `variance`: its mean square.
    """

    signal_adu: float
    observed_adu: float
    pixels: int
    mean: float
    mean_error: float
    variance: float


@dataclass(frozen=True)
class Linearity:
    """Slope of the result against the observation over levels of signal, and the deviation from the line.

    `largest_deviation`: of a level from the line, as a share of their range.
    """

    slope: float
    largest_deviation: float


@dataclass(frozen=True, eq=False)
class SignalBins:
    """Bins of 2 ** `exponent` ADU by their number, which counts from 0 ADU.

    `sums`: of each bin, the number of pixels, and the sums of observation (ADU), result (ADU), removed noise
    in its standard deviations, and its square.
    """

    exponent: int
    sums: Mapping[int, FloatArray]

    @classmethod
    def of(cls, observed_adu: FloatArray, result_adu: FloatArray, standardised: FloatArray) -> Self:
        """Count pixels, at least one."""
        lowest, highest = float(result_adu.min()), float(result_adu.max())
        exponent = max(_FINEST, math.frexp(max(abs(lowest), abs(highest)))[1] - _MAX_DIGITS)
        while _number(highest, exponent) - _number(lowest, exponent) >= _MAX_BINS:
            exponent += 1
        first = _number(lowest, exponent)
        numbers = np.floor(result_adu * 2.0**-exponent).astype(np.int64) - first
        values = (None, observed_adu, result_adu, standardised, standardised**2)
        sums = np.stack([np.bincount(numbers, each).astype(np.float64) for each in values], axis=1)
        return cls(exponent, {first + int(at): sums[at] for at in np.flatnonzero(sums[:, 0])})

    @classmethod
    def joined(cls, parts: Iterable["SignalBins"]) -> "SignalBins | None":
        """Add up the bins of several planes, as wide as all of them need; None without any."""
        several = list(parts)
        return reduce(_joined, several) if several else None

    def levels(self) -> list[SignalLevel]:
        """Join neighbouring bins until each has enough pixels."""
        enough = sum(float(each[0]) for each in self.sums.values()) / _LEVELS
        found: list[FloatArray] = []
        for number in sorted(self.sums):
            if found and found[-1][0] < enough:
                found[-1] = found[-1] + self.sums[number]
            else:
                found.append(self.sums[number])
        return [_level(each) for each in found]

    def linearity(self) -> Linearity | None:
        """Return the line through the levels, weighted by their pixels; None for a single level."""
        levels = self.levels()
        observed = np.array([each.observed_adu for each in levels])
        result = np.array([each.signal_adu for each in levels])
        span_adu = float(np.ptp(observed)) if levels else 0.0
        if len(levels) < _MIN_LEVELS or span_adu <= 0:
            return None
        weights = np.sqrt([each.pixels for each in levels])
        slope, intercept = np.polyfit(observed, result, 1, w=weights)
        deviation = np.abs(result - slope * observed - intercept).max() / span_adu
        return Linearity(float(slope), float(deviation))

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "exponent": self.exponent,
            "sums": {str(number): each.tolist() for number, each in self.sums.items()},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        sums = {int(number): np.array(each, dtype=np.float64) for number, each in record["sums"].items()}
        return cls(record["exponent"], sums)


def _joined(one: SignalBins, other: SignalBins) -> SignalBins:
    exponent = max(one.exponent, other.exponent)
    numbers = [number >> exponent - each.exponent for each in (one, other) for number in each.sums]
    while max(numbers) - min(numbers) >= _MAX_BINS:
        exponent, numbers = exponent + 1, [number >> 1 for number in numbers]
    sums: dict[int, FloatArray] = {}
    for each in (one, other):
        for number, values in each.sums.items():
            wider = number >> exponent - each.exponent
            sums[wider] = sums[wider] + values if wider in sums else values
    return SignalBins(exponent, sums)


def _number(signal_adu: float, exponent: int) -> int:
    return math.floor(signal_adu * 2.0**-exponent)


def _level(sums: FloatArray) -> SignalLevel:
    pixels, observed, result, mean, square = (float(each) for each in sums)
    variance = square / pixels
    return SignalLevel(
        signal_adu=result / pixels,
        observed_adu=observed / pixels,
        pixels=int(pixels),
        mean=mean / pixels,
        mean_error=math.sqrt(variance / pixels),
        variance=variance,
    )
