"""Noise with heavier tails than a normal distribution's, as the differing pixels of sCMOS cameras make it."""

from collections.abc import Callable

import numpy as np

from worker.engine.planes.strips import strips

NoiseOf = Callable[[np.ndarray], np.ndarray]

_BOUND = 2.5
"""Standard deviations of the noise to which heavy noise is drawn in."""

_BRIGHT = 5.0
"""Standard deviations above an estimate from which a pixel is left alone: the estimate may have missed a
small bright object there."""

_TAIL = 3.5
_TAIL_SHARE = 2.33e-4
"""Share of a normal distribution below minus `_TAIL` standard deviations."""

_TIMES, _ERRORS = 1.5, 3.0
"""How many times more pixels there are in a heavy tail, beyond how many standard errors of their number."""

_MEDIAN_TO_STD = 1.4826


def bounded_noise(observation_yx: np.ndarray, signal_yx: np.ndarray, noise_of: NoiseOf) -> np.ndarray:
    """Return an observation (Y, X) with its noise drawn in to 2.5 standard deviations if its tails are heavy.

    `signal_yx` is an estimate of the signal, and `noise_of` returns the standard deviation of the noise at
    signals; in ADU. Without heavy tails, the observation itself is returned.
    """
    relative_yx = np.empty(observation_yx.shape, dtype=np.result_type(observation_yx, signal_yx))
    rows_of_strips = [*strips(observation_yx.shape)]
    for rows in rows_of_strips:
        signal = signal_yx[rows]
        relative_yx[rows] = (observation_yx[rows] - signal) / noise_of(signal)
    if not has_heavy_tail(relative_yx):
        return observation_yx
    bounded_yx = np.empty_like(observation_yx)
    for rows in rows_of_strips:
        relative, signal = relative_yx[rows], signal_yx[rows]
        outlying = (np.abs(relative) > _BOUND) & (relative < _BRIGHT)
        bounded = signal + noise_of(signal) * relative.clip(-_BOUND, _BOUND)
        bounded_yx[rows] = np.where(outlying, bounded, observation_yx[rows])
    return bounded_yx


def has_heavy_tail(relative_yx: np.ndarray) -> bool:
    """Return whether far more values lie below -3.5 standard deviations than of a normal distribution.

    Values that are not finite are left out. Bright outliers tell nothing: specimens make them as well.
    """
    finite_yx = np.isfinite(relative_yx)
    sizes = relative_yx[finite_yx]
    np.abs(sizes, out=sizes)
    std = _MEDIAN_TO_STD * float(np.median(sizes, overwrite_input=True)) if sizes.size else 0.0
    expected = _TAIL_SHARE * sizes.size
    dark = int(((relative_yx < -_TAIL * std) & finite_yx).sum())
    return bool(dark > _TIMES * expected + _ERRORS * expected**0.5)
