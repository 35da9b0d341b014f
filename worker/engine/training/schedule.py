"""Learning rate schedules as pure functions of the history, so that a resumed run needs no extra state."""

import math
from collections.abc import Sequence

from worker.engine.training.presets import Schedule

_WARM_UP_FRACTION = 0.1
_PLATEAU_PATIENCE = 10
_PLATEAU_FACTOR = 0.5
_PLATEAU_RELATIVE_GAIN = 1e-4


def learning_rate(
    schedule: Schedule, peak: float, *, step: int, steps: int, validation_losses: Sequence[float]
) -> float:
    """Return the learning rate of the step after `step` finished steps out of `steps`; at most `peak`."""
    if schedule == "one-cycle":
        return peak * _one_cycle(step / steps)
    return peak * _PLATEAU_FACTOR ** _plateaus(validation_losses)


def _one_cycle(progress: float) -> float:
    """Rise linearly to 1, then fall to 0 along a cosine."""
    if progress < _WARM_UP_FRACTION:
        return 0.05 + 0.95 * progress / _WARM_UP_FRACTION
    fall = (progress - _WARM_UP_FRACTION) / (1 - _WARM_UP_FRACTION)
    return 0.5 * (1 + math.cos(math.pi * fall))


def _plateaus(validation_losses: Sequence[float]) -> int:
    """Return how many times the loss has failed to improve for longer than the patience."""
    best, waited, plateaus = math.inf, 0, 0
    for loss in validation_losses:
        improved = loss < best - _PLATEAU_RELATIVE_GAIN * abs(best) if math.isfinite(best) else True
        best = loss if improved else best
        waited = 0 if improved else waited + 1
        if waited > _PLATEAU_PATIENCE:
            plateaus, waited = plateaus + 1, 0
    return plateaus
