"""Exposures that take turns, along any axis: which planes, and what ratio."""

from collections.abc import Sequence

import numpy as np
import pytest

from models_store.survey.survey import survey_planes
from models_store.survey.warnings import pixel_warnings
from tests.support.exposed_planes import SPECIMEN, camera, exposed, measured


def told(factors: Sequence[float], *, over_time: bool) -> list[str]:
    planes = exposed(factors)
    brightness = measured(planes, over_time=over_time)
    return pixel_warnings(survey_planes(planes[:1]).model_copy(update={"brightness": brightness}))


@pytest.mark.parametrize("over_time", [True, False])
@pytest.mark.parametrize("bleaching", [0.0, 0.1])
@pytest.mark.parametrize("factor", [1.5, 10.0])
def test_exposures_in_turn_are_found(factor: float, bleaching: float, *, over_time: bool) -> None:
    planes = exposed([np.exp(-bleaching * at) * (factor if at % 2 else 1) for at in range(12)])
    found = measured(planes, over_time=over_time)
    assert (found.far_planes, found.first_far) == (6, (1, 3, 5, 7, 9))
    assert found.far_factor == pytest.approx(factor, rel=0.05)


def test_two_flashes_beside_fast_bleaching_are_found_up_to_the_last_planes() -> None:
    flashes = (3, 6)
    found = measured(exposed([0.7**at * (10 if at in flashes else 1) for at in range(8)]), over_time=True)
    assert (found.far_planes, found.first_far) == (2, flashes)
    assert [level.planes for level in found.far_levels] == [2]
    assert found.far_factor == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize("over_time", [True, False])
def test_planes_and_ratios_of_several_exposures_are_told(*, over_time: bool) -> None:
    (warning,) = told([1, 0.3, 1, 3] * 5, over_time=over_time)
    assert warning == (
        "10 of 20 planes looked at have other light than those beside them: 5 have 0.3 times as much "
        "(planes 2, 6, 10, 14, 18), 5 have 3 times as much (planes 4, 8, 12, 16, 20): mixed exposures, or a "
        "lamp or shutter that failed; each plane keeps its brightness"
    )
    three = measured(exposed([1, 3, 9] * 4), over_time=over_time)
    assert [level.planes for level in three.far_levels] == [4, 4]


@pytest.mark.parametrize("over_time", [True, False])
def test_half_of_the_planes_with_another_exposure_are_told_with_their_numbers(*, over_time: bool) -> None:
    (warning,) = told([1] * 6 + [3] * 6, over_time=over_time)
    assert warning.startswith(
        "6 of 12 planes looked at have 3 times the light of those beside them (planes 7, 8, 9, 10, 11, ...): "
    )


@pytest.mark.parametrize("over_time", [True, False])
@pytest.mark.parametrize(
    "factors",
    [
        np.exp(-np.arange(20) / 8),
        1 + 0.05 * np.random.default_rng(0).normal(size=20),
        np.exp(-np.arange(20) / 8) * (1 + 0.05 * np.random.default_rng(1).normal(size=20)),
        [1, 1.1] * 8,
        np.exp(-((np.arange(20) - 10) ** 2) / 30),
    ],
)
def test_bleaching_flicker_and_focus_raise_no_alarm(factors: Sequence[float], *, over_time: bool) -> None:
    assert measured(exposed(factors), over_time=over_time).far_planes == 0


def test_cells_that_flash_in_turn_are_no_exposures() -> None:
    """Parts of a specimen may do so; all of the field does not."""
    rng = np.random.default_rng(5)
    planes = [camera(SPECIMEN + at % 2 * np.flip(SPECIMEN), rng) for at in range(12)]
    assert measured(planes, over_time=False).far_planes == 0
