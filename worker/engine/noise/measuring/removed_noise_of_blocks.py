"""Removed noise of a large plane, from that of its blocks: memory does not grow with the plane."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from worker.engine.noise.measuring.removed_noise import Block, RemovedNoise, SignalBin
from worker.engine.noise.measuring.signal_bins import SignalBins

Corner = tuple[int, int]
_DARK_SHARE = 0.01


def of_all_blocks(blocks: Sequence[tuple[Corner, RemovedNoise]]) -> RemovedNoise | None:
    """Return the figures of a plane, given the corners (Y, X) of its blocks and theirs; None without any.

    Means are weighted by pixels, slopes by their errors. The brightest pixels are those of the blocks where
    they stand out.
    """
    if not blocks:
        return None
    several = [found for _, found in blocks]
    bright = [each for each in several if each.bright_correlation_y or each.bright_correlation_x] or several
    excess, excess_error = _excess(several)
    slope, slope_error = _weighted([(each.structure_slope, each.structure_slope_error) for each in several])
    lost, lost_error = _weighted([(each.lost_detail, each.lost_detail_error) for each in several])
    bins = SignalBins.joined(each.bins for each in several)
    assert bins is not None  # noqa: S101  # there is a block
    return RemovedNoise(
        pixels=sum(each.pixels for each in several),
        not_finite_px=sum(each.not_finite_px for each in several),
        mean=_mean(several, lambda each: each.mean),
        mean_error=_error(several, lambda each: each.mean_error),
        variance=_mean(several, lambda each: each.variance),
        by_signal=tuple(SignalBin(each.signal_adu, each.variance) for each in bins.levels()),
        bins=bins,
        correlation_y=_mean(several, lambda each: each.correlation_y),
        correlation_x=_mean(several, lambda each: each.correlation_x),
        correlation_error=_error(several, lambda each: each.correlation_error),
        bright_correlation_y=_mean(bright, lambda each: each.bright_correlation_y),
        bright_correlation_x=_mean(bright, lambda each: each.bright_correlation_x),
        bright_correlation_error=_error(bright, lambda each: each.bright_correlation_error),
        block_excess=excess,
        block_excess_error=excess_error,
        structure_slope=slope,
        structure_slope_error=slope_error,
        lost_detail=lost,
        lost_detail_error=lost_error,
        worst_block=_worst(blocks),
        removed_adu=_mean(several, lambda each: each.removed_adu),
        removed_adu_error=_error(several, lambda each: each.removed_adu_error),
        signal_adu=_above_dark(bins),
        noise_adu=math.sqrt(_mean(several, lambda each: each.noise_adu**2)),
    )


def _mean(blocks: Sequence[RemovedNoise], value_of: Callable[[RemovedNoise], float]) -> float:
    pixels = sum(each.pixels for each in blocks)
    return math.fsum(each.pixels / pixels * value_of(each) for each in blocks)


def _error(blocks: Sequence[RemovedNoise], error_of: Callable[[RemovedNoise], float]) -> float:
    """Return the standard error of the mean of blocks, whose errors are independent."""
    pixels = sum(each.pixels for each in blocks)
    return math.sqrt(math.fsum((each.pixels / pixels * error_of(each)) ** 2 for each in blocks))


def _excess(blocks: Sequence[RemovedNoise]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the excess of each size and its error; a block with few pixels has none of the larger sizes."""
    found, errors = [], []
    for size in range(max(len(each.block_excess) for each in blocks)):
        having = [each for each in blocks if size < len(each.block_excess)]
        found.append(_mean(having, partial(_excess_of, size=size)))
        errors.append(_error(having, partial(_excess_error_of, size=size)))
    return tuple(found), tuple(errors)


def _excess_of(block: RemovedNoise, *, size: int) -> float:
    return block.block_excess[size]


def _excess_error_of(block: RemovedNoise, *, size: int) -> float:
    return block.block_excess_error[size]


def _weighted(found: Sequence[tuple[float | None, float | None]]) -> tuple[float | None, float | None]:
    known = [(value, error) for value, error in found if value is not None and error is not None]
    if not known:
        return None, None
    weights = [max(error, 1e-12) ** -2 for _, error in known]
    total = math.fsum(weights)
    value = math.fsum(weight * each for weight, (each, _) in zip(weights, known, strict=True)) / total
    return value, total**-0.5


def _worst(blocks: Sequence[tuple[Corner, RemovedNoise]]) -> Block | None:
    worst = [
        replace(found.worst_block, y_px=found.worst_block.y_px + top, x_px=found.worst_block.x_px + left)
        for (top, left), found in blocks
        if found.worst_block is not None
    ]
    return max(worst, key=lambda block: abs(block.deviation), default=None)


def _above_dark(bins: SignalBins) -> float:
    """Return the mean of the result above its darkest pixels."""
    sums = np.stack([bins.sums[number] for number in sorted(bins.sums)])
    count, result = sums[:, 0], sums[:, 2]
    darkest = int(np.searchsorted(np.cumsum(count), _DARK_SHARE * count.sum()))
    return float(result.sum() / count.sum() - result[darkest] / count[darkest])
