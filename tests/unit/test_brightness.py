"""Brightness of the planes of a stack: what exposures change, and what a specimen does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from models_store.image_files.header import ImageHeader
from models_store.image_files.plane_series import brightness_of_planes, series_of
from models_store.image_files.planes import ResultFormat
from models_store.survey.brightness import Brightness, Series, brightness_of
from models_store.survey.noise_line import noise_points
from models_store.survey.plane_light import light_of
from models_store.survey.positions import FAR_NOISE
from models_store.survey.survey import survey_planes
from models_store.survey.warnings import pixel_warnings
from tests.support.exposed_planes import SHAPE_YX, SPECIMEN, Stack, camera, exposed, measured
from tests.support.headers import header_of
from worker.engine.simulation import simulate_specimen


def with_planes(count: int, other: float, *at: int) -> list[float]:
    return [other if index in at else 1.0 for index in range(count)]


@pytest.mark.parametrize("over_time", [True, False])
@pytest.mark.parametrize(
    ("factors", "far", "factor"),
    [
        (with_planes(40, 10, 11, 12), (11, 12), 10),
        (with_planes(40, 10, 7), (7,), 10),
        (with_planes(20, 0, 5, 6, 9), (5, 6, 9), 0),
    ],
)
def test_planes_of_another_exposure_are_found(
    factors: list[float], far: tuple[int, ...], factor: float, *, over_time: bool
) -> None:
    found = measured(exposed(factors), over_time=over_time)
    assert (found.far_planes, found.first_far) == (len(far), far)
    assert found.far_factor == pytest.approx(factor, rel=0.05, abs=0.03)


@pytest.mark.parametrize(
    ("factor", "light"), [(1.5, 1.0), (2, 1.0), (3, 1.0), (0.5, 1.0), (1.5, 0.1), (2, 0.1), (3, 0.1)]
)
def test_small_differences_of_exposures_are_found_over_time(factor: float, light: float) -> None:
    for at in ((5, 12), (1, 3, 5, 7), tuple(range(14, 20))):
        found = measured(exposed([light * each for each in with_planes(20, factor, *at)]), over_time=True)
        assert (found.far_planes, found.first_far) == (len(at), at[:5])
        assert found.far_factor == pytest.approx(factor, rel=0.06)
        assert not found.far_factor_is_bound


def test_exposures_are_told_from_bleaching_and_motion() -> None:
    fading = [float(np.exp(-index / 15)) * (2 if index in (7, 8, 15) else 1) for index in range(24)]
    moving = [np.roll(SPECIMEN, index, axis=1) * (2 if index in (5, 9) else 1) for index in range(16)]
    rng = np.random.default_rng(5)
    for stack, at in ((exposed(fading), (7, 8, 15)), ([camera(each, rng) for each in moving], (5, 9))):
        found = measured(stack, over_time=True)
        assert found.first_far == at
        assert found.far_factor == pytest.approx(2, rel=0.06)


def test_the_offset_is_no_light() -> None:
    """Beside the noise of dim planes the darkest pixels lie far below the offset."""
    found = measured(exposed([0.25 * each for each in with_planes(20, 10, 5, 12)]), over_time=True)
    assert found.far_factor == pytest.approx(10, rel=0.05)


def test_alternating_exposures_and_bleaching_with_flashes_are_found() -> None:
    assert measured(exposed([1, 10] * 10), over_time=True).far_planes == 10
    bleached = measured(exposed([1.0, 0.6, 0.35, 0.2, 0.12, 0.08, 10.0, 10.0]), over_time=True)
    assert bleached.first_far == (6, 7)
    assert bleached.far_factor == pytest.approx(125, rel=0.05)
    assert bleached.last_to_first is not None
    assert bleached.last_to_first < 0.35


def test_planes_between_several_exposures_have_the_usual_light() -> None:
    found = measured(exposed([1, 1, 3, 1, 3, 1, 0.3, 1]), over_time=True)
    assert (found.far_planes, found.first_far) == (3, (2, 4, 6))
    assert found.far_factor == pytest.approx(3, rel=0.05)


def test_two_dyes_in_turn_are_not_compared_as_if_one_had_no_light() -> None:
    rng = np.random.default_rng(2)
    other = 40 + 600 * simulate_specimen(SHAPE_YX, seed=9)
    found = measured([camera((SPECIMEN, other)[frame % 2], rng) for frame in range(8)], over_time=True)
    ratio = (other.mean() - other.min()) / (SPECIMEN.mean() - SPECIMEN.min())
    assert found.far_factor is not None
    assert max(found.far_factor, 1 / found.far_factor) < 3 * ratio


def _bleaching() -> Stack:
    return exposed(np.exp(-np.arange(40) / 10).tolist())


def _fast_and_slow_bleaching() -> Stack:
    time = np.arange(30)
    return exposed((0.4 * np.exp(-time / 2) + 0.6 * np.exp(-time / 40)).tolist())


def _calcium(light: float) -> Callable[[], Stack]:
    rng = np.random.default_rng(1)
    spikes = rng.random((8, 60)) < 0.04
    active = 1 + np.array([np.convolve(each, 2 * np.exp(-np.arange(15) / 4))[:60] for each in spikes])
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    places = rng.uniform(10, 118, (8, 2))
    cells = [np.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / 200) for at_y, at_x in places]
    return lambda: [camera(light * (1 + np.tensordot(each, cells, 1)), rng) for each in active.T]


def _focus_lost() -> Stack:
    rng = np.random.default_rng(1)
    return [camera(ndimage.gaussian_filter(SPECIMEN, 6.0 * (index > 8)), rng) for index in range(16)]


def _one_layer_of_cells(planes: int) -> Callable[[], Stack]:
    return lambda: exposed([20.0 if index == planes // 2 else 0.0 for index in range(planes)])


def _cells_that_flare_up() -> Stack:
    return exposed([1 + 5 * np.exp(-(index % 15) / 4) for index in range(60)])


def _slow_focus() -> Stack:
    return exposed(np.exp(-((np.linspace(-2.5, 2.5, 30)) ** 2) * 1.5).tolist())


def _several_stacks_one_after_the_other() -> Stack:
    return exposed([np.exp(-(index % 10) / 3) for index in range(60)])


def _single_molecules() -> Stack:
    rng = np.random.default_rng(2)
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    planes = []
    for _ in range(60):
        photons = np.ones(SHAPE_YX)
        for at_y, at_x in rng.uniform(0, 128, (rng.poisson(5), 2)):
            photons += 300 * np.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / 4)
        planes.append(camera(photons, rng))
    return planes


def _even_illumination() -> Stack:
    rng = np.random.default_rng(2)
    return [camera(np.full(SHAPE_YX, level), rng) for level in rng.uniform(300, 600, 20)]


def _photon_counts() -> Stack:
    rng = np.random.default_rng(2)
    return [
        rng.poisson(0.01 * SPECIMEN * np.exp(-(((i - 20) / 10) ** 2))).astype(np.uint8) for i in range(40)
    ]


def _half_without_data() -> Stack:
    planes = list(exposed([1.0] * 12))
    planes[5][:, :100] = 0
    return planes


@pytest.mark.parametrize(
    ("stack", "over_time"),
    [
        (_bleaching, True),
        (_fast_and_slow_bleaching, True),
        (lambda: exposed((0.03 * np.exp(-np.arange(20) / 10)).tolist()), True),
        (_calcium(20), True),
        (_calcium(2), True),
        (_focus_lost, True),
        (_one_layer_of_cells(5), False),
        (_one_layer_of_cells(40), False),
        (_cells_that_flare_up, True),
        (_slow_focus, False),
        (_several_stacks_one_after_the_other, False),
        (_single_molecules, True),
        (_even_illumination, True),
        (_photon_counts, True),
        (_photon_counts, False),
        (_half_without_data, True),
    ],
)
def test_what_specimens_do_is_no_other_exposure(stack: Callable[[], Stack], *, over_time: bool) -> None:
    assert measured(stack(), over_time=over_time).far_planes == 0


def compared(positions: Stack) -> Brightness:
    lights = {number: light_of(plane) for number, plane in enumerate(positions)}
    noise = {number: noise_points(plane, len(positions)) for number, plane in enumerate(positions)}
    found = brightness_of([Series((number,), True, number) for number in lights], lights, noise)
    assert found is not None
    assert found.positions == len(positions)
    return found


def test_positions_of_another_exposure_or_gain_are_found() -> None:
    brighter = compared(exposed([1, 1, 20, 1]))
    assert brighter.brightest_position == pytest.approx(20, rel=0.05)
    rng = np.random.default_rng(3)
    other_gain = compared([camera(SPECIMEN, rng, gain_adu=8.0 if at == 2 else 2.0) for at in range(4)])
    assert other_gain.position_noise_ratio == pytest.approx(4, rel=0.3)


@pytest.mark.parametrize("photons", [3, 300])
def test_empty_positions_and_fine_textures_have_the_same_noise(photons: float) -> None:
    rng = np.random.default_rng(4)
    grains = rng.lognormal(0, 0.7, SHAPE_YX)
    empty = camera(np.full(SHAPE_YX, photons), rng)
    found = compared([camera(photons * grains, rng), empty, camera(SPECIMEN, rng), camera(SPECIMEN, rng)])
    assert found.position_noise_ratio is not None
    assert found.position_noise_ratio < FAR_NOISE


class Movie(list[NDArray[Any]]):
    """Planes along time."""

    @property
    def header(self) -> ImageHeader:
        return header_of("TYX", (len(self), *SHAPE_YX))

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        raise NotImplementedError


def test_repeated_frames_are_told() -> None:
    frames = exposed([1] * 8)
    empty = np.zeros_like(frames[0])
    repeated = Movie([*frames[:3], frames[2], frames[2], empty, empty, *frames[3:]])
    found = brightness_of_planes(repeated)
    assert found is not None
    assert (found.copied_planes, found.first_copied) == (2, (3, 4))
    survey = survey_planes(repeated).model_copy(update={"brightness": found})
    assert any(
        "2 of 10 planes looked at are exact copies of an earlier one (first: plane 4)" in told
        for told in pixel_warnings(survey)
    )
    whole = brightness_of_planes(Movie(frames))
    assert whole is not None
    assert (whole.copied_planes, whole.torn_planes) == (0, 0)


def test_frames_that_alternate_are_told_as_copies() -> None:
    one, other = exposed([1] * 2)
    counted = [frame.copy() for frame in (one, other) * 4]
    for number, frame in enumerate(counted):
        frame[0, :4] = number  # a counter that the camera writes
    found = brightness_of_planes(Movie(counted))
    assert found is not None
    assert (found.copied_planes, found.first_copied) == (6, (2, 3, 4, 5, 6))


def test_frames_with_rows_of_an_earlier_one_are_told_as_torn() -> None:
    frames = exposed([1] * 6)
    frames[4][40:] = frames[2][40:]
    found = brightness_of_planes(movie := Movie(frames))
    assert found is not None
    rows = (40, SHAPE_YX[0] - 1)
    assert (found.copied_planes, found.torn_planes, found.first_torn, found.torn_rows) == (0, 1, (4,), rows)
    survey = survey_planes(movie).model_copy(update={"brightness": found})
    told = "1 of 6 planes looked at repeats rows of an earlier one pixel by pixel (first: plane 5, rows 41 "
    assert any(f"{told}to {rows[1]})" in warning for warning in pixel_warnings(survey))


@pytest.mark.parametrize("photons", [0.05, 0.5])
def test_dark_frames_of_single_photons_are_no_copies_and_not_torn(photons: float) -> None:
    rng = np.random.default_rng(6)
    frames = [rng.poisson(photons, SHAPE_YX).astype(np.uint8) for _ in range(20)]
    found = brightness_of_planes(Movie(frames))
    assert found is not None
    assert (found.copied_planes, found.torn_planes) == (0, 0)


def test_borders_without_data_are_no_torn_frames() -> None:
    frames = [frame.astype(np.float32) for frame in exposed([1] * 4)]
    for number, frame in enumerate(frames):
        frame[: 6 * number] = np.nan
    found = brightness_of_planes(Movie(frames))
    assert found is not None
    assert (found.copied_planes, found.torn_planes) == (0, 0)


def test_text_below_every_frame_is_no_torn_frame() -> None:
    frames = exposed([1] * 4)
    bar = np.zeros((12, SHAPE_YX[1]), dtype=frames[0].dtype)
    bar[3:9, 10:60:5] = 255
    for frame in frames:
        frame[-12:] = bar
    found = brightness_of_planes(Movie(frames))
    assert found is not None
    assert found.torn_planes == 0


def test_series_run_along_time_if_there_is_any() -> None:
    header = header_of("PTZYX", (2, 3, 4, 16, 16))
    series = series_of(header, None, planes=100)
    assert len(series) == 2 * 4
    assert series[1] == Series((1, 5, 9), True, 0)
    assert series[-1] == Series((15, 19, 23), True, 1)
    (focus,) = series_of(header_of("CZYX", (2, 5, 16, 16)), 1, planes=100)
    assert focus == Series((5, 6, 7, 8, 9), False)


def test_of_many_planes_some_are_read() -> None:
    header = header_of("PTYX", (6, 1000, 16, 16))
    series = series_of(header, None, planes=60)
    assert sum(len(each.planes) for each in series) == 60
    assert {each.position for each in series} == set(range(6))
    assert series[-1].planes[-1] == 5999
