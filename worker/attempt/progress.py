"""Mapping the progress of a part of an attempt to the progress of the whole."""

from collections.abc import Callable

from worker.attempt.context import Report

# Fractions of a job's progress.
PREPARING_PREDICTION = 0.3
JUDGING_NEIGHBOURS = 0.05
PREPARING_DISTILLATION = 0.2
RESULTS_WRITTEN = 0.99  # the rest is the report on them
REFITTING = 0.5  # of the preparation
READING_FRAMES = 0.8
COMPARING_PIXELS = 0.9


def part_of(report: Report, begin: float, end: float) -> Report:
    """Return a callback that maps a part's progress, 0 to 1, to `begin` .. `end` of the whole."""
    return lambda fraction, status: report(begin + (end - begin) * fraction, status)


def planes_done(report: Report, what: str) -> Callable[[int, int], None]:
    """Return a callback that reports the number of planes done out of the total."""
    return lambda done, of: report(done / of, f"{what} {done} of {of}")
