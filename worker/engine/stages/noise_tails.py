"""Noise with heavier tails than a normal distribution's, as the differing pixels of sCMOS cameras make it."""

import numpy as np

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


def bounded_noise(observation_yx: np.ndarray, signal_yx: np.ndarray, noise_yx: np.ndarray) -> np.ndarray:
    """Return an observation (Y, X) with its noise drawn in to 2.5 standard deviations if its tails are heavy.

    `signal_yx` is an estimate of the signal, `noise_yx` the standard deviation of the noise there; in ADU.
    Without heavy tails, the observation itself is returned.
    """
    relative_yx = (observation_yx - signal_yx) / noise_yx
    if not has_heavy_tail(relative_yx[np.isfinite(relative_yx)]):
        return observation_yx
    outlying = (np.abs(relative_yx) > _BOUND) & (relative_yx < _BRIGHT)
    bounded_yx = signal_yx + noise_yx * relative_yx.clip(-_BOUND, _BOUND)
    return np.where(outlying, bounded_yx, observation_yx).astype(observation_yx.dtype)


def has_heavy_tail(relative: np.ndarray) -> bool:
    """Return whether far more values lie below -3.5 standard deviations than of a normal distribution.

    Bright outliers tell nothing: specimens make them as well.
    """
    std = _MEDIAN_TO_STD * float(np.median(np.abs(relative))) if relative.size else 0.0
    expected = _TAIL_SHARE * relative.size
    dark = int((relative < -_TAIL * std).sum())
    return bool(dark > _TIMES * expected + _ERRORS * expected**0.5)
