"""Images of a job share networks if their light is alike."""

import pytest

from models_store.image_files.acquisition import Acquisition
from models_store.image_files.header import ImageHeader
from models_store.job_requests.light_groups import have_own_names, lit_alike
from models_store.job_requests.series_groups import SeriesFacts
from models_store.survey.noise_line import NoisePoints
from models_store.survey.survey import Survey
from tests.support.headers import header_of

DARK_ADU, READ_ADU2, MANY_PX, FEW_PX = 100, 4, 3000, 100


def header(*exposures_s: float | None) -> ImageHeader:
    told = tuple(Acquisition(exposure_s=each) for each in exposures_s)
    return header_of("YX", (48, 64)).model_copy(update={"acquisition": told})


def survey(*photons: float) -> Survey:
    """Return the survey of an image with channels of so many photons, few pixels ten times as bright."""
    empty = Survey.of([])
    channels = tuple(
        empty.model_copy(
            update={
                "noise": NoisePoints(
                    signal_adu=(DARK_ADU + each, DARK_ADU + 10 * each),
                    variance_adu2=(READ_ADU2 + each, READ_ADU2 + 10 * each),
                    pixels=(MANY_PX, FEW_PX),
                )
            }
        )
        for each in photons
    )
    return channels[0] if len(channels) == 1 else empty.model_copy(update={"channels": channels})


@pytest.mark.parametrize(
    ("surveys", "channel", "groups"),
    [
        ([survey(10), survey(20), survey(100), survey(22)], None, [[0], [1, 3], [2]]),
        ([survey(1), survey(2)], None, [[0, 1]]),  # read noise is nearly all of their noise
        ([survey(10), None, survey(11), Survey.of([])], None, [[0, 1, 2, 3]]),
        ([survey(10, 10), survey(11, 40), survey(9, 38)], None, [[0], [1, 2]]),
        ([survey(10, 10), survey(11, 40), survey(9, 38)], 0, [[0, 1, 2]]),
        ([survey(10, 10), survey(11, 40), survey(9, 38)], 1, [[0], [1, 2]]),
        ([survey(10), survey(40, 40)], None, [[0, 1]]),  # refused in words, as images of other channels are
    ],
)
def test_images_with_as_much_light_share_networks(
    surveys: list[Survey | None], channel: int | None, groups: list[list[int]]
) -> None:
    images = {number: SeriesFacts(header(), each) for number, each in enumerate(surveys)}
    assert lit_alike(images, channel) == groups


def test_exposures_decide_where_files_tell_them() -> None:
    exposures_s = [0.01, 0.015, 0.05, None]
    images = {each: SeriesFacts(header(each)) for each in exposures_s}
    assert lit_alike(images) == [[0.01, 0.015, None], [0.05]]


@pytest.mark.parametrize(
    ("filenames", "own"),
    [
        (["a.tif", "b.tif"], True),
        (["a.1.tif", "a.2.tif"], True),
        (["cells.tif", "Cells.ome.tif"], False),
        (["cells.czi", "cells.ome.zarr.zip"], False),
        (["x" * 210 + "1.tif", "x" * 210 + "2.tif"], False),
    ],
)
def test_files_of_one_name_would_give_results_of_one_name(filenames: list[str], *, own: bool) -> None:
    assert have_own_names(filenames) is own
