"""Histograms from calibration frames whose range differs from that of the images."""

from unittest.mock import Mock

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.survey.survey import survey_planes
from worker.engine.errors import ImageUnsuitableError
from worker.engine.stages.calibrate import Calibration, calibrate_noise_model
from worker.judging.image_facts import facts_of

SHAPE_YX = (192, 192)


def recorded(brightest_photons: float, frames: int) -> NDArray[np.uint16]:
    photons_yx = np.broadcast_to(np.linspace(5, brightest_photons, SHAPE_YX[1]), SHAPE_YX)
    rng = np.random.default_rng(frames)
    shape = (frames, *SHAPE_YX)
    return np.rint(100 + 2 * rng.poisson(photons_yx, shape) + rng.normal(0, 3, shape)).astype(np.uint16)


def calibrated(brightest_photons: float, images: NDArray[np.uint16]) -> Calibration:
    return calibrate_noise_model(
        {"scene": recorded(brightest_photons, 20)},
        kind="histogram",
        images=images,
        facts=facts_of(survey_planes(images)),
        seed=0,
        on_frame=Mock(),
    )


def test_frames_brighter_than_the_images_do_not_make_a_worse_histogram() -> None:
    found = calibrated(300, recorded(100, 1))
    assert found.selected.check.verdict != "poor"
    assert found.warnings == ()
    assert found.signal_range_adu[1] < 600


def test_a_plane_without_any_value_is_skipped() -> None:
    images = [np.full((8, 8), np.nan), np.arange(64.0).reshape(8, 8)]
    histogram = facts_of(survey_planes(images)).empty_histogram()
    assert (histogram.min_adu, histogram.max_adu) == (-0.5, 255.5)


@pytest.mark.parametrize("value", [np.nan, 7.0])
def test_images_without_values_have_no_range(value: float) -> None:
    facts = facts_of(survey_planes([np.full((8, 8), value)]))
    with pytest.raises(ImageUnsuitableError, match="no two different"):
        facts.empty_histogram()
