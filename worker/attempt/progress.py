"""Progress of the parts of an attempt, as progress of the whole."""

from collections.abc import Callable

from worker.attempt.context import Report

# Shares of a job that come before its main work.
PREPARING_PREDICTION = 0.3
PREPARING_DISTILLATION = 0.2
REFITTING = 0.5  # of what prepares
READING_FRAMES = 0.8
COMPARING_PIXELS = 0.9


def part_of(report: Report, begin: float, end: float) -> Report:
    """Report a part, from 0 to 1, as the progress of the whole from `begin` to `end`."""
    return lambda fraction, status: report(begin + (end - begin) * fraction, status)


def planes_done(report: Report, what: str) -> Callable[[int, int], None]:
    """Make a callback that takes how many planes are done, of how many."""
    return lambda done, of: report(done / of, f"{what} {done} of {of}")
