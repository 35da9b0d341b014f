"""Results that were spoilt on purpose are not trusted, and good ones are."""

from collections.abc import Iterable

import pytest

from benchmarks.trust import GOOD, TrustCase, measure

SMOOTHED_LITTLE = "over-smoothed, sd 2 px"
SATURATED = (
    "Check this result against its source before you measure on it: the noise model does not describe "
    "saturated pixels"
)
"""What is rightly said of good results of the photon counter, of which 0.1 % of the pixels are saturated."""


def check(cases: Iterable[TrustCase]) -> int:
    """Check that the good results alone are trusted; return their number."""
    found = list(cases)
    for case in found:
        trusted = case.verdict == "trust" or case.sentence.startswith(SATURATED)
        assert trusted is (case.result == GOOD), (case.specimen, case.detector, case.result, case.sentence)
    return sum(case.result == GOOD for case in found)


def test_a_spoilt_result_is_told_from_a_good_one() -> None:
    assert check(measure(photons=[100], names=["vesicles"])) == 1


@pytest.mark.slow
def test_spoilt_results_of_all_specimens_and_detectors_are_told_from_good_ones() -> None:
    # Of few photons, a blur that noise hides changes a result too little to be told.
    assert check(case for case in measure() if case.result != SMOOTHED_LITTLE) >= 20
