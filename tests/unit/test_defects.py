"""Pixels of a plane that hold no measurement: missing ones, and outliers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.defect_counts import DefectCounts, count_defects
from models_store.survey.defects import find_defects, without_defects
from models_store.survey.survey import survey_planes
from models_store.survey.warnings import pixel_warnings
from tests.support.dim_images import SHAPE_YX, dim_image
from worker.engine.simulation import PhotonCounter, Scmos, simulate_specimen

Mask = NDArray[np.bool_]
PATCH_YX = np.s_[60:90, 100:150]


def mask_of(*places: Any) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE_YX, dtype=bool)
    for place in places:
        mask[place] = True
    return mask


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (PATCH_YX, 0),
        (PATCH_YX, 100),
        (PATCH_YX, 65535),
        (np.s_[:, :3], 0),
        (np.s_[70], 0),
        (np.s_[70:73], 65535),
        (np.s_[:, 33], 65535),
    ],
)
def test_areas_of_one_value_are_missing(place: Any, value: int) -> None:
    plane_yx = dim_image()
    plane_yx[place] = value
    found = find_defects(plane_yx)
    expected = mask_of(place)
    assert found.missing_yx[expected].all()
    # Pixels beside an area may have its value by chance.
    assert found.missing_yx[~expected].sum() <= 0.02 * expected.sum()
    assert not found.outliers_yx.any()


def test_an_area_with_a_slanted_edge_is_missing_up_to_its_edge() -> None:
    plane_yx = dim_image()
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    outside = x + 2 * y < 200
    plane_yx[outside] = 0
    np.testing.assert_array_equal(find_defects(plane_yx).missing_yx, outside)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_numbers_that_are_no_measurement_are_missing(value: float) -> None:
    plane_yx = dim_image().astype(np.float32)
    plane_yx[PATCH_YX] = value
    np.testing.assert_array_equal(find_defects(plane_yx).missing_yx, mask_of(PATCH_YX))


@pytest.mark.parametrize(("dtype", "value"), [("float16", 60000), ("float64", 1e300), ("float64", -1e39)])
def test_values_at_the_limits_of_a_type_are_no_measurement(dtype: str, value: float) -> None:
    plane_yx = dim_image().astype(dtype)
    plane_yx[5, 7] = value
    defects = find_defects(plane_yx)
    np.testing.assert_array_equal(~defects.usable_yx, mask_of((5, 7)))
    assert np.nanmax(np.abs(without_defects(plane_yx, defects))) < 500
    assert len(pixel_warnings(survey_planes([plane_yx]))) == 1


@pytest.mark.parametrize("plane_yx", [np.zeros((40, 30), np.uint16), np.full((40, 30), np.nan)])
def test_a_plane_without_information_is_empty(plane_yx: NDArray[Any]) -> None:
    assert find_defects(plane_yx).empty
    assert np.isnan(without_defects(plane_yx, find_defects(plane_yx))).all()


@pytest.mark.parametrize(
    "place",
    [
        (20, 30),
        (0, 0),
        np.s_[60:62, 61:63],
        np.s_[:, 50],
        np.s_[70],
        ([40, 41, 42, 43], [90, 91, 92, 93]),
    ],
    ids=["pixel", "corner", "square", "column", "row", "track"],
)
@pytest.mark.parametrize("excess_adu", [400, -90])
def test_pixels_that_differ_from_all_around_them_are_outliers(place: Any, excess_adu: int) -> None:
    # Each has noise of its own, unlike an area of one value.
    plane_yx = dim_image().astype(np.int32)
    plane_yx[:] = 100 + (plane_yx - 100) // 3 if excess_adu < 0 else plane_yx
    plane_yx[place] += excess_adu
    found = find_defects(plane_yx)
    expected = mask_of(place)
    assert found.outliers_yx[expected].mean() > 0.9
    assert not found.outliers_yx[~expected].any()
    assert not found.missing_yx.any()


@pytest.mark.parametrize(
    "place",
    [
        np.s_[:, 50:52],
        np.s_[80:83],
        np.s_[:, 0],
        np.s_[-2:],
        np.s_[60:63, 61:64],
        np.s_[60:64, 61:65],
        np.s_[:3, :3],
        np.s_[-4:, :4],
        np.s_[:3, 60:63],
        np.s_[50:54, -2:],
        np.s_[1:4, 1:4],
        np.s_[60:63, -5:-2],
        ([98, 99, 99, 99, 100, 100, 100, 100, 100, 101, 101, 101, 102],
         [100, 99, 100, 101, 98, 99, 100, 101, 102, 99, 100, 101, 100]),
    ],
    ids=["two columns", "three rows", "border", "two rows at the border", "3 x 3", "4 x 4",
         "3 x 3 in a corner", "4 x 4 in a corner", "at the top", "at the right",
         "1 px from a corner", "2 px from the right", "disc"],
)  # fmt: skip
@pytest.mark.parametrize("excess_adu", [400, 3000])
def test_wide_outliers_have_edges_that_no_lens_makes(place: Any, excess_adu: int) -> None:
    plane_yx = dim_image().astype(np.int32)
    expected = mask_of(place)
    plane_yx[expected] += (excess_adu * np.random.default_rng(3).uniform(0.7, 1.3, expected.sum())).astype(
        int
    )
    found = find_defects(plane_yx)
    assert found.outliers_yx[expected].mean() > 0.9
    assert not found.outliers_yx[~expected].any()
    assert not found.missing_yx.any()


@pytest.mark.parametrize(
    "place",
    [np.s_[:, 50:52], np.s_[70:75], np.s_[:, :3], np.s_[-2:], np.s_[:100, 90:93]],
    ids=["two columns", "five rows", "border", "two rows at the border", "half of the columns"],
)
@pytest.mark.parametrize(("excess_adu", "read_noise_adu"), [(30, 0), (150, 0), (150, 18), (-30, 0)])
def test_rows_and_columns_of_low_excess_are_outliers(
    place: Any, excess_adu: int, read_noise_adu: float
) -> None:
    """Each of their pixels is within the noise, or hardly above it."""
    rng = np.random.default_rng(3)
    plane_yx = dim_image() + rng.normal(200, read_noise_adu, SHAPE_YX)
    expected = mask_of(place)
    plane_yx[expected] += excess_adu * rng.uniform(0.7, 1.3, expected.sum())
    found = find_defects(plane_yx.round().astype(np.uint16))
    assert found.outliers_yx[expected].mean() > 0.9
    # Where one ends within the image is known to a few pixels.
    assert found.outliers_yx[~expected].sum() <= 0.06 * expected.sum()


@pytest.mark.parametrize("sigma_px", [0.65, 1.0])
@pytest.mark.parametrize("photons", [30, 300, 10_000])
def test_straight_edges_and_bars_along_the_whole_image_are_not_outliers(
    photons: int, sigma_px: float
) -> None:
    rng = np.random.default_rng(8)
    for width in range(1, 24, 2):
        scene = np.zeros((4 * SHAPE_YX[0], 4 * SHAPE_YX[1]))
        at_y, at_x = rng.integers(8, np.array(scene.shape) - 30)
        scene[:, at_x : at_x + width] += rng.uniform(0.2, 1)
        scene[at_y:] += rng.uniform(0.2, 1)
        scene[:, -width:] += 0.5
        seen = ndimage.gaussian_filter(scene, 4 * sigma_px)
        seen = seen.reshape(SHAPE_YX[0], 4, SHAPE_YX[1], 4).mean(axis=(1, 3))
        for signal in (photons * seen, photons * (seen.max() - seen)):
            noisy = (100 + 2 * rng.poisson(4 + signal) + rng.normal(0, 2, SHAPE_YX)).round()
            assert find_defects(noisy.astype(np.uint16)).usable_yx.all()


def _bars(rng: np.random.Generator, scene: NDArray[np.float64]) -> None:
    """Add bars and gaps of 0.25 to 3.5 pixels, four pixels of the scene to one of the camera."""
    for width in range(1, 15):
        at_y, at_x = rng.integers(0, np.array(scene.shape) - 20)
        scene[:, at_x : at_x + width] += rng.uniform(0.2, 1)
        scene[at_y : at_y + width] += rng.uniform(0.2, 1)


def _blocks_and_discs(rng: np.random.Generator, scene: NDArray[np.float64]) -> None:
    y, x = np.mgrid[: scene.shape[0], : scene.shape[1]]
    for _ in range(20):
        (at_y, at_x), radius = rng.uniform(0, scene.shape), rng.uniform(2, 12)
        scene[(y - at_y) ** 2 + (x - at_x) ** 2 < radius**2] += rng.uniform(0.02, 1)
        scene[int(at_x) : int(at_x + 2 * radius), int(at_y) : int(at_y + 2 * radius)] += rng.uniform(0.02, 1)


@pytest.mark.parametrize("excess_adu", [180, 400])
def test_hot_pixels_on_steep_structure_are_outliers(excess_adu: int) -> None:
    """A smooth surface explains their neighbours, whose values differ more than they do."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    photons = 4 + 60 * sum(
        np.exp(-((y - at) ** 2 + (x - at) ** 2) / (2 * 4.0**2)) for at in range(10, min(SHAPE_YX), 24)
    )
    plane_yx = 100 + 2 * rng.poisson(photons) + rng.normal(0, 2, SHAPE_YX)
    hot_yx = mask_of(*((at + 4, at + 1) for at in range(10, min(SHAPE_YX) - 24, 24)))
    plane_yx[hot_yx] += excess_adu
    found_yx = find_defects(plane_yx.round().astype(np.uint16)).outliers_yx
    assert not (found_yx & ~hot_yx).any()
    assert found_yx.sum() >= 0.8 * hot_yx.sum()


@pytest.mark.parametrize("draw", [_bars, _blocks_and_discs])
@pytest.mark.parametrize("sigma_px", [0.7, 1.0])
def test_sharp_objects_behind_a_lens_are_not_outliers(draw: Any, sigma_px: float) -> None:
    rng = np.random.default_rng(1)
    scene = np.zeros((4 * SHAPE_YX[0], 4 * SHAPE_YX[1]))
    draw(rng, scene)
    seen = ndimage.gaussian_filter(scene, 4 * sigma_px)
    seen = seen.reshape(SHAPE_YX[0], 4, SHAPE_YX[1], 4).mean(axis=(1, 3))
    for photons in (300, 10_000):
        for signal in (photons * seen, photons * (seen.max() - seen)):
            noisy = (100 + 2 * rng.poisson(4 + signal) + rng.normal(0, 2, SHAPE_YX)).round()
            assert find_defects(noisy.clip(0, 65535).astype(np.uint16)).usable_yx.all()


@pytest.mark.parametrize("sigma_px", [0.65, 0.8, 1.5])
def test_points_of_light_are_not_outliers(sigma_px: float) -> None:
    assert find_defects(points_of_light(sigma_px).astype(np.uint16)).usable_yx.all()


def points_of_light(sigma_px: float) -> NDArray[np.float64]:
    rng = np.random.default_rng(4)
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    photons = np.full(SHAPE_YX, 5.0)
    for _ in range(60):
        at_y, at_x = rng.uniform(3, SHAPE_YX[0] - 4), rng.uniform(3, SHAPE_YX[1] - 4)
        distance_px2 = (y - at_y) ** 2 + (x - at_x) ** 2
        photons += rng.uniform(20, 3000) * np.exp(-distance_px2 / (2 * sigma_px**2))
    return np.asarray((100 + 2 * rng.poisson(photons) + rng.normal(0, 2, SHAPE_YX)).round())


def with_hot_pixels(plane_yx: NDArray[np.float64], excess_adu: Sequence[float]) -> Mask:
    """Add single hot pixels, far from each other; return where."""
    hot = mask_of()
    places = np.random.default_rng(9).permutation(np.argwhere(mask_of(np.s_[4:-4:6, 4:-4:6])))
    for (y, x), excess in zip(places, excess_adu, strict=False):
        plane_yx[y, x] += excess
        hot[y, x] = True
    return hot


def test_where_many_pixels_are_hot_warm_ones_are_outliers_too() -> None:
    plane_yx = dim_image().astype(np.float64)
    hot = with_hot_pixels(plane_yx, [400.0] * 30)
    warm = plane_yx.copy()
    places = [(y, x) for y in range(7, SHAPE_YX[0] - 7, 18) for x in range(7, SHAPE_YX[1] - 7, 18)]
    dark = [place for place in places if dim_image()[place] < np.quantile(dim_image(), 0.5)]
    for place in dark:
        warm[place] += 55
    alone = find_defects((warm - 400 * hot).round().astype(np.uint16)).outliers_yx
    beside_hot = find_defects(warm.round().astype(np.uint16)).outliers_yx
    shares = [np.mean([found[place] for place in dark]) for found in (alone, beside_hot)]
    assert shares[0] < 0.5
    assert shares[1] > 0.75
    assert not beside_hot[~(hot | mask_of(*dark))].any()


@pytest.mark.parametrize("sigma_px", [0.65, 0.8, 1.5])
def test_points_of_light_beside_hot_pixels_are_not_outliers(sigma_px: float) -> None:
    plane_yx = points_of_light(sigma_px)
    hot = with_hot_pixels(plane_yx, np.geomspace(100, 3000, 40).tolist())
    assert not find_defects(plane_yx.astype(np.uint16)).outliers_yx[~hot].any()


def test_two_hot_pixels_beside_each_other_on_steep_structure_are_found() -> None:
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    photons = 4 + 60 * np.exp(-((y - 90) ** 2 + (x - 90) ** 2) / (2 * 5.0**2))
    pairs = [((88, 84), (90, 85)), ((95, 93), (96, 95)), ((84, 90), (84, 92))]
    for pair in pairs:
        plane_yx = 100 + 2 * np.random.default_rng(8).poisson(photons).astype(np.float64)
        for place in pair:
            plane_yx[place] += 250
        np.testing.assert_array_equal(find_defects(plane_yx.astype(np.uint16)).outliers_yx, mask_of(*pair))


@pytest.mark.parametrize("photons", [0.1, 3, 100, 1000])
@pytest.mark.parametrize("sigma_px", [1.0, 3.0])
def test_texture_has_no_defects(photons: float, sigma_px: float) -> None:
    rng = np.random.default_rng(5)
    field = ndimage.gaussian_filter(rng.normal(size=SHAPE_YX), sigma_px, mode="wrap")
    signal = photons * np.exp(0.7 * field / field.std())
    for gain_adu, offset_adu, read_noise_adu in ((1.0, 100.0, 2.0), (20.0, 0.0, 0.0)):
        noisy = gain_adu * rng.poisson(signal) + rng.normal(offset_adu, read_noise_adu, SHAPE_YX)
        found = find_defects(noisy.clip(0, 65535).round().astype(np.uint16))
        assert found.usable_yx.mean() > 1 - 1e-4


@pytest.mark.parametrize(
    ("camera", "photons"),
    [(Scmos.with_maps(SHAPE_YX, seed=1), 80.0), (PhotonCounter(), 0.05), (PhotonCounter(), 12.0)],
)
def test_detectors_have_no_missing_pixels(camera: Any, photons: float) -> None:
    observed = camera.observe(photons * simulate_specimen(SHAPE_YX, seed=2), np.random.default_rng(2))
    found = find_defects(observed)
    assert not found.missing_yx.any()
    assert found.outliers_yx.mean() < 1e-3


def test_a_saturated_object_is_not_missing() -> None:
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    photons = 3000 * np.exp(-((y - 90) ** 2 + (x - 90) ** 2) / 600.0)
    bright = 2 * np.random.default_rng(3).poisson(photons)
    plane_yx = np.minimum(dim_image() + bright, 4095).astype(np.uint16)
    assert (plane_yx == 4095).sum() > 100
    assert find_defects(plane_yx).usable_yx.all()


@pytest.mark.parametrize("scale", [1e-13, 1e9])
def test_defects_do_not_depend_on_the_unit(scale: float) -> None:
    plane_yx = dim_image().astype(np.float64)
    plane_yx[20, 30] = 60000
    plane_yx[PATCH_YX] = 0
    found, scaled = find_defects(plane_yx), find_defects(plane_yx * scale)
    np.testing.assert_array_equal(scaled.missing_yx, found.missing_yx)
    np.testing.assert_array_equal(scaled.outliers_yx, found.outliers_yx)
    assert found.outliers_yx.sum() == 1


@pytest.mark.parametrize(
    ("file", "most"),
    [
        ("fmd_confocal/mice_raw.tif", 0),
        ("fmd_confocal/BPAE_B_raw.tif", 0),
        ("miro/ch1_raw_020ms_u16.tif", 10),
        ("miro/ch3_raw_100ms_u16.tif", 10),
    ],
)
def test_real_images_have_few(test_data: Any, file: str, most: int) -> None:
    found = find_defects(tifffile.imread(test_data / file))
    assert not found.missing_yx.any()
    assert found.outliers_yx.sum() <= most


@pytest.mark.parametrize("std_adu", [5, 20])
def test_clipped_noise_is_no_defect(std_adu: float) -> None:
    noise = np.random.default_rng(7).normal(248, std_adu, SHAPE_YX)
    plane_yx = noise.clip(0, 255).round().astype(np.uint8)
    assert (plane_yx == 255).mean() > 0.05
    assert find_defects(plane_yx).usable_yx.all()


@pytest.mark.parametrize("photons", [0.001, 0.05])
def test_single_photons_are_no_outliers_in_any_type(photons: float) -> None:
    counts = np.random.default_rng(7).poisson(photons * simulate_specimen(SHAPE_YX, seed=3) / 0.3, SHAPE_YX)
    for plane_yx in (counts.astype(np.uint8), counts.astype(np.float32), (counts / 255).astype(np.float32)):
        assert find_defects(plane_yx).usable_yx.all() or not plane_yx.any()


def test_zeros_of_the_data_beside_a_margin_of_zeros_stay() -> None:
    plane_yx = np.zeros(SHAPE_YX, np.uint16)
    plane_yx[30:-30, 30:-30] = np.random.default_rng(7).poisson(1.5, (SHAPE_YX[0] - 60, SHAPE_YX[1] - 60))
    missing = find_defects(plane_yx).missing_yx
    inside = missing[40:-40, 40:-40]
    assert missing[:28].all()
    assert not inside.any()


def test_an_interpolated_image_has_no_areas_without_data() -> None:
    counts = np.random.default_rng(7).poisson(2.0, (100, 90)).astype(np.float64)
    plane_yx = ndimage.zoom(counts, 2, order=1).round().astype(np.uint16)
    assert not find_defects(plane_yx).missing_yx.any()


def test_a_hot_pixel_brighter_than_a_saturated_object_is_the_only_defect() -> None:
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]]
    photons = 20 + 3000 * np.exp(-((y - 90) ** 2 + (x - 90) ** 2) / 600.0)
    plane_yx = np.minimum(np.random.default_rng(3).poisson(photons), 1000).astype(np.uint16)
    plane_yx[5, 5] = 4000
    found = find_defects(plane_yx)
    assert not found.missing_yx.any()
    np.testing.assert_array_equal(np.argwhere(found.outliers_yx), [[5, 5]])


def test_remnants_within_an_area_without_data_are_missing() -> None:
    """As where something was added to a row after the area was filled."""
    plane_yx = dim_image().astype(np.int32)
    plane_yx[:, :9] = -(2**31)
    plane_yx[60] += 500
    found = find_defects(plane_yx)
    assert found.missing_yx[60, :8].all()
    assert not found.usable_yx[60, :9].any()
    assert not found.missing_yx[:, 9:].any()


def test_a_remnant_in_an_area_without_data_is_missing_too_but_its_value_is_not_told() -> None:
    plane_yx = dim_image()
    plane_yx[60:80, 60:80] = 0
    plane_yx[70, 70] = 120
    counts = count_defects(plane_yx, find_defects(plane_yx))
    assert counts.filled_px == 20 * 20
    assert counts.fill_values_adu == (0.0,)
    assert DefectCounts.of([counts, counts]).fill_values_adu == (0.0,)


def test_pixels_alone_amid_nan_are_told_as_such() -> None:
    plane_yx = dim_image().astype(np.float32)
    plane_yx[np.random.default_rng(5).random(plane_yx.shape) < 0.3] = np.nan
    not_finite, alone = pixel_warnings(survey_planes([plane_yx]))
    assert "are NaN or infinite" in not_finite
    assert "hold no data: they are surrounded by pixels without data; they stay" in alone


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ((slice(1, -1, 2), slice(None)), "99 whole rows between others with data have the value 0"),
        ((slice(None), slice(1, -1, 2)), "89 whole columns between others with data have the value 0"),
    ],
)
def test_every_second_line_without_data_is_missing_and_the_others_are_not(missing: Any, told: str) -> None:
    plane_yx = dim_image()
    plane_yx[missing] = 0
    expected_yx = np.zeros(plane_yx.shape, dtype=bool)
    expected_yx[missing] = True
    np.testing.assert_array_equal(find_defects(plane_yx).missing_yx, expected_yx)
    (warning,) = [each for each in pixel_warnings(survey_planes([plane_yx])) if "no data" in each]
    assert told in warning
