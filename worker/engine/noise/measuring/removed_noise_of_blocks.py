"""Removed noise of a large plane, from that of its blocks: memory does not grow with the plane."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from worker.engine.noise.measuring.removed_noise import Block, RemovedNoise, SignalBin
from worker.engine.noise.measuring.signal_bins import SignalBins

Corner = tuple[int, int]
_DARK_SHARE = 0.01


def of_all_blocks(blocks: Sequence[tuple[Corner, RemovedNoise]]) -> RemovedNoise | None:
    """Return the figures of a plane, given the corners (Y, X) of its blocks and theirs; None without any.

    Means are weighted by pixels, slopes by their errors.
    """
    if not blocks:
        return None
    several = [found for _, found in blocks]
    pixels = sum(each.pixels for each in several)
    shares = [each.pixels / pixels for each in several]

    def mean(values: Sequence[float]) -> float:
        return math.fsum(share * value for share, value in zip(shares, values, strict=True))

    def error(values: Sequence[float]) -> float:
        return math.sqrt(mean([share * value**2 for share, value in zip(shares, values, strict=True)]))

    sizes = range(min(len(each.block_excess) for each in several))
    slope, slope_error = _weighted([(each.structure_slope, each.structure_slope_error) for each in several])
    lost, lost_error = _weighted([(each.lost_detail, each.lost_detail_error) for each in several])
    bins = SignalBins.joined(each.bins for each in several)
    assert bins is not None  # noqa: S101  # there is a block
    return RemovedNoise(
        pixels=pixels,
        not_finite_px=sum(each.not_finite_px for each in several),
        mean=mean([each.mean for each in several]),
        mean_error=error([each.mean_error for each in several]),
        variance=mean([each.variance for each in several]),
        by_signal=tuple(SignalBin(each.signal_adu, each.variance) for each in bins.levels()),
        bins=bins,
        correlation_y=mean([each.correlation_y for each in several]),
        correlation_x=mean([each.correlation_x for each in several]),
        correlation_error=error([each.correlation_error for each in several]),
        bright_correlation_y=mean([each.bright_correlation_y for each in several]),
        bright_correlation_x=mean([each.bright_correlation_x for each in several]),
        bright_correlation_error=error([each.bright_correlation_error for each in several]),
        block_excess=tuple(mean([each.block_excess[at] for each in several]) for at in sizes),
        block_excess_error=tuple(error([each.block_excess_error[at] for each in several]) for at in sizes),
        structure_slope=slope,
        structure_slope_error=slope_error,
        lost_detail=lost,
        lost_detail_error=lost_error,
        worst_block=_worst(blocks),
        removed_adu=mean([each.removed_adu for each in several]),
        removed_adu_error=error([each.removed_adu_error for each in several]),
        signal_adu=_above_dark(bins),
        noise_adu=math.sqrt(mean([each.noise_adu**2 for each in several])),
    )


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
