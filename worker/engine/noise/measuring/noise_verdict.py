"""Whether what denoising removed from a plane was noise, and if not, one sentence that says so."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from worker.engine.noise.measuring.removed_noise import BLOCKS_PX, Block, RemovedNoise

MAX_BIAS = 0.04
"""Of the plane's signal."""
MIN_VARIANCE, MAX_VARIANCE = 0.25, 2.0
MAX_CORRELATION = 0.1
"""Beyond the correlation of the noise itself."""
MAX_BRIGHT_CORRELATION = 0.15
"""Of the brightest pixels of the result: structure of few photons is smoothed there."""
MAX_BLOCK_EXCESS = 2.5
MAX_BLOCK_RMS = 0.1
"""In standard deviations of the noise: large blocks reveal smaller errors than matter."""
MAX_STRUCTURE_SLOPE = 0.07
MAX_LOST_DETAIL = 0.04
"""Of the detail: good results lack up to 0.02 (see docs/results.md)."""
MAX_BLOCK_MEAN, MAX_BLOCK_DEVIATION = 0.5, 8.0
_SIGNIFICANCE = 5.0
COMPARE = "compare it with the source before you measure on it"


@dataclass(frozen=True)
class Expected:
    """What is expected of the removed noise.

    `correlation_y`, `correlation_x`: of the noise itself. `scale`: whether the result is on the scale of the
    observation, so that mean and slope are judged. `variance`: whether the noise's variance is known.
    """

    correlation_y: float = 0.0
    correlation_x: float = 0.0
    scale: bool = True
    variance: bool = True


@dataclass(frozen=True)
class Misfit:
    """One way in which the removed noise does not fit; `severity`: a figure relative to its limit, over 1."""

    severity: float
    text: str


def misfits(found: RemovedNoise, expected: Expected) -> list[Misfit]:
    """Return the misfits of a plane, the worst first; none if what was removed is noise."""
    ways = [*_values(found), *_structure(found, expected), *_detail(found)]
    if expected.variance:
        ways += _variance(found)
    if expected.scale:
        ways += _scale(found)
    return sorted((way for way in ways if way.severity > 1), key=lambda way: -way.severity)


def verdict(found: RemovedNoise, expected: Expected) -> str | None:
    """Return the worst misfit as a sentence with figures; None if what was removed is noise."""
    return next((misfit.text for misfit in misfits(found, expected)), None)


def _values(found: RemovedNoise) -> Iterator[Misfit]:
    if found.not_finite_px:
        yield Misfit(
            1 + found.not_finite_px, f"{found.not_finite_px} pixels of the result are not finite; {COMPARE}"
        )


def _structure(found: RemovedNoise, expected: Expected) -> Iterator[Misfit]:
    everywhere, bright = found.correlation_error, found.bright_correlation_error
    of_bright = " in the brightest tenth"
    neighbours = (
        ("y", "", found.correlation_y, expected.correlation_y, everywhere, MAX_CORRELATION),
        ("x", "", found.correlation_x, expected.correlation_x, everywhere, MAX_CORRELATION),
        ("y", of_bright, found.bright_correlation_y, expected.correlation_y, bright, MAX_BRIGHT_CORRELATION),
        ("x", of_bright, found.bright_correlation_x, expected.correlation_x, bright, MAX_BRIGHT_CORRELATION),
    )
    for axis, where, correlation, usual, error, limit in neighbours:
        yield Misfit(
            (correlation - max(usual, 0.0)) / max(limit, _SIGNIFICANCE * error),
            f"structure was removed, not only noise: what was removed correlates "
            f"{correlation:+.2f} along {axis}{where} (expected {usual:+.2f} +- {error:.2f}); {COMPARE}",
        )
    for side_px, excess, error in zip(BLOCKS_PX, found.block_excess, found.block_excess_error, strict=False):
        most = MAX_BLOCK_EXCESS * _block_excess(side_px, expected) * max(1.0, _SIGNIFICANCE * error / 2)
        rms = math.sqrt(excess * found.variance) / side_px
        yield Misfit(
            min(excess / most, rms / MAX_BLOCK_RMS),
            f"structure was removed, not only noise: over {side_px} x {side_px} pixels, "
            f"the mean of what was removed varies {excess:.3g} times as much as noise would; {COMPARE}",
        )
    if (block := found.worst_block) is not None:
        yield Misfit(_of_block(block, expected), _about(block))


def _block_excess(side_px: int, expected: Expected) -> float:
    """Return how much more the means of blocks vary if correlated noise spans whole rows or columns."""
    correlations = (expected.correlation_y, expected.correlation_x)
    along_y, along_x = (1 + max(correlation, 0.0) * (side_px - 1) for correlation in correlations)
    return along_y * along_x


def _of_block(block: Block, expected: Expected) -> float:
    widened = math.sqrt(_block_excess(block.side_px, expected))
    return min(abs(block.mean) / MAX_BLOCK_MEAN, abs(block.deviation) / (MAX_BLOCK_DEVIATION * widened))


def _about(block: Block) -> str:
    change = "darker" if block.mean > 0 else "brighter"
    return (
        f"the result is {change} than the source around y {block.y_px}, x {block.x_px}: over "
        f"{block.side_px} x {block.side_px} pixels, the mean of what was removed is {block.mean:+.2f} "
        f"standard deviations of the noise (expected 0.00 +- {abs(block.mean / block.deviation):.2f}); "
        f"{COMPARE}"
    )


def _detail(found: RemovedNoise) -> Iterator[Misfit]:
    if found.lost_detail is None or found.lost_detail_error is None:
        return
    error = found.lost_detail_error
    yield Misfit(
        found.lost_detail / max(MAX_LOST_DETAIL, _SIGNIFICANCE * error),
        f"the result is blurred: its fine detail is at least {_percent(found.lost_detail)} % too "
        f"weak (expected 0 +- {_percent(error)} %), and what was removed holds it; {COMPARE}",
    )


def _variance(found: RemovedNoise) -> Iterator[Misfit]:
    variance = found.variance
    removed = f"what was removed has {variance:.3g} times the variance of the noise"
    yield Misfit(
        MIN_VARIANCE / max(variance, 1e-9),
        f"{removed} (expected about 1): the result keeps noise, or the noise model is too wide; {COMPARE}",
    )
    yield Misfit(
        variance / MAX_VARIANCE,
        f"{removed} (expected about 1): the result lacks more than noise, or the noise model is too narrow; "
        f"{COMPARE}",
    )


def _scale(found: RemovedNoise) -> Iterator[Misfit]:
    error = found.removed_adu_error / found.scale_adu
    change = "darker" if found.removed_adu > 0 else "brighter"
    yield Misfit(
        abs(found.relative_bias) / max(MAX_BIAS, _SIGNIFICANCE * error),
        f"the result is {abs(found.removed_adu):.3g} ADU {change} than the source on average, "
        f"{_percent(abs(found.relative_bias))} % of its signal "
        f"(expected 0 +- {_percent(error)} %); {COMPARE}",
    )
    if found.structure_slope is not None and found.structure_slope_error is not None:
        slope, slope_error = found.structure_slope, found.structure_slope_error
        too = "low" if slope > 0 else "high"
        yield Misfit(
            abs(slope) / max(MAX_STRUCTURE_SLOPE, _SIGNIFICANCE * slope_error),
            f"the contrast of the result is {_percent(abs(slope))} % too {too} "
            f"(expected 0 +- {_percent(slope_error)} %): what was removed follows the result's "
            f"structure; {COMPARE}",
        )


def _percent(share: float) -> str:
    """Return a share in percent, with two digits and without an exponent."""
    return f"{float(f'{100 * share:.2g}'):g}"
