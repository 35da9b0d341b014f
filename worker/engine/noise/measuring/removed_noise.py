"""What denoising removed from a plane, in units of the noise that should be there; no ground truth needed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from worker.engine.noise.measuring.blocks import Blocks
from worker.engine.noise.measuring.lost_detail import Response, lost_detail
from worker.engine.noise.measuring.signal_bins import SignalBins
from worker.engine.noise.models.likelihood import NoiseModel

Image = NDArray[np.floating]
VarianceAt = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Noise variance (ADU^2) at signals (ADU)."""

RespondTo = Callable[[NDArray[np.float64]], Response]
"""Response of the result to noise of this standard deviation (Y, X), ADU."""

BLOCKS_PX = (4, 16, 64)
MIN_PIXELS = 1024
"""A plane with fewer usable pixels is not judged."""
_MIN_BLOCKS = 4
_LOCAL_BLOCKS = 2
_BRIGHT_SHARE = 0.1
_MIN_BRIGHT = 0.15
"""Distance of the brightest pixels from most, relative to the noise: below it noise chooses them."""
_SLOPE_PX = 8
_MIN_STRUCTURE = 0.05
"""Standard deviation of the result's structure relative to the noise: with less, there is no contrast."""
_MIN_SCALE = 0.5
"""Signals below this fraction of a pixel's noise count as large as it where a bias is set in relation."""
_SIGNAL_BINS = 8
_CLIP_STD = 6.0
"""Larger deviations count as this one: outliers such as hot pixels say nothing about the specimen."""
_GRID = 1024
_FLAT = 1e-6
"""Relative to the largest value, a smaller range is rounding."""
_DARK_QUANTILE = 0.01


@dataclass(frozen=True)
class SignalBin:
    """Removed variance relative to that of the noise, over the pixels of one range of signals."""

    signal_adu: float
    variance_ratio: float


@dataclass(frozen=True)
class Block:
    """A square block of pixels: centre, side, and the mean of the standardised removed noise in it.

    `deviation`: this mean in standard errors of a block of independent noise.
    """

    y_px: int
    x_px: int
    side_px: int
    mean: float
    deviation: float


@dataclass(frozen=True)
class RemovedNoise:
    """Figures of observation - result on one plane; "standardised" means divided by the noise's deviation.

    `mean`: of the standardised removed noise. `variance`: its mean square, 1 if all of the noise was removed.
    `bins`: sums that those of other planes can be added to.
    `correlation_y`, `correlation_x`: of neighbouring pixels. `bright_correlation_y`, `_x`: the same among the
    brightest tenth of the result's pixels, 0 if these do not stand out. `block_excess`: for each side of
    `BLOCKS_PX`, the variance of the means of blocks relative to independent noise of the same variance.
    `structure_slope`: slope of the removed noise against the result, over means of blocks, without the noise
    that the result is known to copy; None if the result has hardly any structure.
    `lost_detail`: share of the result's own fine detail that it lacks; None if it is unknown how the estimate
    follows noise.
    `removed_adu`: mean of observation - result. `signal_adu`: mean of the result above its darkest pixels.
    `noise_adu`: root mean square of the expected noise. `not_finite_px`: pixels that only the result lacks.
    Each `..._error` is a standard error.
    """

    pixels: int
    not_finite_px: int
    mean: float
    mean_error: float
    variance: float
    by_signal: tuple[SignalBin, ...]
    bins: SignalBins
    correlation_y: float
    correlation_x: float
    correlation_error: float
    bright_correlation_y: float
    bright_correlation_x: float
    bright_correlation_error: float
    block_excess: tuple[float, ...]
    block_excess_error: tuple[float, ...]
    structure_slope: float | None
    structure_slope_error: float | None
    lost_detail: float | None
    lost_detail_error: float | None
    worst_block: Block | None
    removed_adu: float
    removed_adu_error: float
    signal_adu: float
    noise_adu: float

    @property
    def scale_adu(self) -> float:
        """Return the signal that a bias is related to; it is above 0 even if there is no specimen."""
        return max(self.signal_adu, _MIN_SCALE * self.noise_adu)

    @property
    def relative_bias(self) -> float:
        return self.removed_adu / self.scale_adu


def variance_of(noise_model: NoiseModel) -> VarianceAt:
    """Return the variance of a noise model as a function of arrays."""
    return lambda signal_adu: noise_model.variance_adu2(torch.from_numpy(signal_adu)).numpy()


def measure_removed_noise(
    observation_yx: Image, result_yx: Image, variance_at: VarianceAt, respond: RespondTo | None = None
) -> RemovedNoise | None:
    """Compare what was removed from a plane (Y, X), ADU, with its noise; NaN observations are ignored.

    `respond` tells how the result follows noise. Return None if fewer than `MIN_PIXELS` pixels are usable.
    """
    observed = np.isfinite(observation_yx)
    usable = observed & np.isfinite(result_yx)
    not_finite_px = int(observed.sum() - usable.sum())
    pixels = int(usable.sum())
    if pixels < MIN_PIXELS:
        return None
    result = np.where(usable, result_yx, 0.0).astype(np.float64)
    signal = result[usable]
    noise_adu = np.sqrt(_interpolated(variance_at, signal))
    standardised = _clipped((observation_yx[usable].astype(np.float64) - signal) / noise_adu)
    mean, variance = float(standardised.mean()), float(np.mean(standardised**2))
    energy = float(standardised.var())
    by_signal = _by_signal(signal, standardised)
    bins = SignalBins.of(signal + standardised * noise_adu, signal, standardised)
    signal_adu = float(signal.mean()) - float(np.quantile(signal, _DARK_QUANTILE))
    usual_adu, bright_adu = np.quantile(signal, (0.5, 1 - _BRIGHT_SHARE))
    bright = usable & (result >= bright_adu)
    # Arrays of all pixels are let go early: of a large plane each takes as much memory as a network's tile.
    del signal
    kept_adu = standardised * noise_adu
    noise_adu_rms = math.sqrt(float(np.mean(noise_adu**2)))
    stands_out = bright_adu - usual_adu >= _MIN_BRIGHT * noise_adu_rms
    removed_adu, removed_variance_adu2 = float(kept_adu.mean()), float(kept_adu.var())
    lost, copied = None, _Copied()
    if respond is not None:
        noise_yx = _placed(noise_adu, usable)
        response = respond(noise_yx)
        kept_yx = _placed(kept_adu - removed_adu, usable)
        lost = lost_detail(kept_yx, result, noise_yx, usable, response)
        copied = _copied(response, noise_yx, usable)
        del noise_yx, kept_yx
    del noise_adu
    slope, slope_error = _slope(
        _placed(kept_adu - removed_adu, usable), result, usable, copied, _MIN_STRUCTURE * noise_adu_rms
    )
    del kept_adu, result
    centred = _placed(standardised - mean, usable)
    del standardised
    correlation_y, correlation_x = (
        _neighbour_correlation(centred.swapaxes(0, axis), usable.swapaxes(0, axis)) for axis in (0, 1)
    )
    blocks = [_BlockNoise.of(centred, usable, side) for side in BLOCKS_PX]
    judged = [each for each in blocks if len(each.noise) >= _MIN_BLOCKS]
    excess = tuple(each.excess(energy) for each in judged)
    bright_centred = np.where(bright, centred - centred[bright].mean(), 0.0)
    bright_y, bright_x = (
        _neighbour_correlation(bright_centred.swapaxes(0, axis), bright.swapaxes(0, axis))
        if stands_out
        else 0.0
        for axis in (0, 1)
    )
    # Correlated noise averages out more slowly.
    inflation = max(1.0, *excess[:_LOCAL_BLOCKS], 0.0)
    return RemovedNoise(
        pixels=pixels,
        not_finite_px=not_finite_px,
        mean=mean,
        mean_error=math.sqrt(energy * inflation / pixels),
        variance=variance,
        by_signal=by_signal,
        bins=bins,
        correlation_y=correlation_y,
        correlation_x=correlation_x,
        correlation_error=1 / math.sqrt(pixels),
        bright_correlation_y=bright_y,
        bright_correlation_x=bright_x,
        bright_correlation_error=1 / math.sqrt(float(bright.sum())),
        block_excess=excess,
        block_excess_error=tuple(math.sqrt(2 / len(each.noise)) for each in judged),
        structure_slope=slope,
        structure_slope_error=slope_error,
        lost_detail=lost.share if lost else None,
        lost_detail_error=lost.error if lost else None,
        worst_block=_worst(judged, energy),
        removed_adu=removed_adu,
        removed_adu_error=math.sqrt(removed_variance_adu2 * inflation / pixels),
        signal_adu=signal_adu,
        noise_adu=noise_adu_rms,
    )


def _placed(values: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the values of usable pixels (Y, X); others are 0."""
    placed = np.zeros(usable.shape)
    placed[usable] = values
    return placed


def _interpolated(variance_at: VarianceAt, signal: NDArray[np.float64]) -> NDArray[np.float64]:
    grid = np.linspace(signal.min(), signal.max(), _GRID)
    tiny = np.finfo(np.float32).tiny
    return np.maximum(np.interp(signal, grid, variance_at(grid)), tiny)


def _clipped(standardised: NDArray[np.float64]) -> NDArray[np.float64]:
    middle = float(np.median(standardised))
    spread = 1.4826 * float(np.median(np.abs(standardised - middle)))
    limit = _CLIP_STD * max(spread, 1.0)
    return np.clip(standardised, middle - limit, middle + limit)


def _neighbour_correlation(centred: NDArray[np.float64], usable: NDArray[np.bool_]) -> float:
    """Return the correlation of neighbours along the first axis; unusable pixels are 0."""
    first, second = centred[:-1], centred[1:]
    both = usable[:-1] & usable[1:]
    energy = sum(float(np.einsum("yx,yx,yx->", each, each, both)) for each in (first, second)) / 2
    return float(np.einsum("yx,yx->", first, second)) / energy if energy > 0 else 0.0


@dataclass(frozen=True, eq=False)
class _BlockNoise:
    """Sums of the removed noise over blocks."""

    blocks: Blocks
    noise: NDArray[np.float64]

    @classmethod
    def of(cls, centred: NDArray[np.float64], usable: NDArray[np.bool_], side_px: int) -> "_BlockNoise":
        blocks = Blocks.of(usable, side_px)
        return cls(blocks, blocks.sums(centred))

    def excess(self, energy: float) -> float:
        return float(np.mean(self.noise**2 / self.blocks.count)) / energy if energy > 0 else 0.0


@dataclass(frozen=True)
class _Copied:
    """Noise that the result copies, in means of blocks: covariance with the noise, and its own variance."""

    covariance_adu2: float = 0.0
    variance_adu2: float = 0.0


def _slope(
    removed_adu: NDArray[np.float64],
    result_adu: NDArray[np.float64],
    usable: NDArray[np.bool_],
    copied: _Copied,
    least_adu: float,
) -> tuple[float | None, float | None]:
    """Return the slope of the removed noise against the result, from means of blocks, and its error.

    Contrast that is nothing but copied noise is left out: it is all that the result of an empty field has. No
    slope if the contrast is less than `least_adu`.
    """
    blocks = Blocks.of(usable, _SLOPE_PX)
    signal, removed = blocks.means(result_adu), blocks.means(removed_adu)
    signal = signal - signal.mean() if signal.size else signal
    power = float(np.vdot(signal, signal))
    spread = float(np.ptp(signal)) if signal.size else 0.0
    if spread <= _FLAT * float(np.abs(result_adu).max()) or power <= signal.size * least_adu**2:
        return None, None
    slope = float(np.vdot(signal, removed)) / power
    error = float(np.std(removed - slope * signal)) / math.sqrt(power)
    slope -= copied.covariance_adu2 * signal.size / power
    if slope < 0:
        slope = min(slope + copied.variance_adu2 * signal.size / power, 0.0)
    return slope, error


def _copied(response: Response, noise_adu: NDArray[np.float64], usable: NDArray[np.bool_]) -> _Copied:
    known = usable[response.window_yx]
    blocks = Blocks.of(known, _SLOPE_PX)
    noise, copy = (
        blocks.means(np.where(known, values, 0.0))
        for values in (response.probe_yx * noise_adu[response.window_yx], response.change_yx)
    )
    if not noise.size:
        return _Copied()
    return _Copied(max(float(np.mean(noise * copy)), 0.0), float(np.mean(copy**2)))


def _worst(found: Sequence[_BlockNoise], energy: float) -> Block | None:
    worst: list[Block] = []
    for each in found:
        blocks = each.blocks
        if blocks.side_px == BLOCKS_PX[0] or energy <= 0:
            continue
        deviations = each.noise / np.sqrt(blocks.count * energy)
        index = int(np.argmax(np.abs(deviations)))
        y_px, x_px = (int(corner) + blocks.side_px // 2 for corner in blocks.corners_yx[index])
        mean = float(each.noise[index] / blocks.count[index])
        worst.append(Block(y_px, x_px, blocks.side_px, mean, float(deviations[index])))
    return max(worst, key=lambda block: abs(block.deviation), default=None)


def _by_signal(signal: NDArray[np.float64], standardised: NDArray[np.float64]) -> tuple[SignalBin, ...]:
    edges = np.unique(np.quantile(signal, np.linspace(0, 1, _SIGNAL_BINS + 1)))
    bins = np.clip(np.searchsorted(edges, signal, side="right") - 1, 0, max(len(edges) - 2, 0))
    count = np.bincount(bins)
    squares = np.bincount(bins, standardised**2)
    signals = np.bincount(bins, signal)
    return tuple(
        SignalBin(float(signals[each] / count[each]), float(squares[each] / count[each]))
        for each in np.flatnonzero(count)
    )
