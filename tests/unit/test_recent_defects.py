"""Defects of a plane that is looked at twice are found once."""

import numpy as np
import pytest

from models_store.survey.recent_defects import RecentDefects


def plane(seed: int = 0) -> np.ndarray:
    plane_yx = np.random.default_rng(seed).normal(300, 10, (64, 64)).astype(np.float32)
    plane_yx[5, 7], plane_yx[40:44] = 4000, np.nan
    return plane_yx


def test_the_same_pixels_are_judged_once() -> None:
    recent = RecentDefects()
    assert recent.of(plane()) is recent.of(plane())


def test_other_pixels_or_another_type_are_judged_again() -> None:
    recent, spoilt_yx = RecentDefects(), plane()
    first = recent.of(spoilt_yx)
    spoilt_yx[30, 30] = 4000
    assert recent.of(spoilt_yx).outliers_yx.sum() == first.outliers_yx.sum() + 1
    assert recent.of(spoilt_yx.astype(np.float64)) is not recent.of(spoilt_yx)


def test_masks_that_are_kept_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        RecentDefects().of(plane()).outliers_yx[0, 0] = True


def test_large_planes_are_not_kept() -> None:
    recent, large_yx = RecentDefects(), np.zeros((1025, 1024), dtype=np.uint16)
    assert recent.of(large_yx) is not recent.of(large_yx)
