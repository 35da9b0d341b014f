"""Pixels that were overwritten with a value that many measurements have, too."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from models_store.survey.defects import find_defects
from models_store.survey.survey import survey_planes
from models_store.survey.warnings import pixel_warnings
from tests.support.textures import FloatArray, texture

_SHARE = 0.05


def _light(low: float, high: float, grain_px: float = 6, size_px: int = 128) -> FloatArray:
    """Return a smooth field of light, in photons."""
    white = np.random.default_rng(0).normal(size=(size_px, size_px))
    smooth = ndimage.gaussian_filter(white, grain_px, mode="wrap")
    return np.asarray(low + (high - low) * (smooth - smooth.min()) / np.ptp(smooth))


def _observed(light_yx: FloatArray, seed: int = 0, read_adu: float = 0.0) -> FloatArray:
    rng = np.random.default_rng([seed, 7])
    return np.rint(rng.poisson(light_yx) + rng.normal(0, read_adu, light_yx.shape))


def _overwritten(
    plane_yx: FloatArray, value: float, share: float = _SHARE
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    written_yx = np.random.default_rng(11).random(plane_yx.shape) < share
    return np.where(written_yx, value, plane_yx).astype(np.uint16), written_yx


@pytest.mark.parametrize("value", [50, 60, 66, 72, 78, 84, 90, 100])
def test_a_value_within_those_of_the_background_is_found(value: int) -> None:
    plane_yx, written_yx = _overwritten(_observed(_light(60, 100)), value)
    found = find_defects(plane_yx)
    assert found.written_adu == (value,)
    assert found.written_px == pytest.approx(written_yx.sum(), rel=0.25)
    assert found.outliers_yx[written_yx].mean() > 0.5


@pytest.mark.parametrize("value", range(50, 141, 10))
def test_a_value_is_found_anywhere_in_a_field_of_more_light(value: int) -> None:
    plane_yx, written_yx = _overwritten(_observed(_light(40, 150)), value)
    found = find_defects(plane_yx)
    assert found.written_adu == (value,)
    assert found.written_px == pytest.approx(written_yx.sum(), rel=0.25)


@pytest.mark.parametrize("value", [66, 72, 90])
def test_the_mean_of_the_other_pixels_is_that_of_the_light(value: int) -> None:
    light_yx = _light(60, 100, size_px=256)
    plane_yx, _ = _overwritten(_observed(light_yx), value)
    usable_yx = find_defects(plane_yx).usable_yx
    bias = float((plane_yx - light_yx)[usable_yx].mean())
    assert abs(float((plane_yx - light_yx).mean())) > 0.25
    assert abs(bias) < 0.2


def test_most_measurements_of_the_value_are_kept_where_they_prevail() -> None:
    light_yx = _light(40, 150, size_px=256)
    plane_yx, written_yx = _overwritten(_observed(light_yx), 80, share=0.02)
    found = find_defects(plane_yx)
    assert found.written_px == pytest.approx(written_yx.sum(), rel=0.35)
    assert found.written_px < 0.75 * (plane_yx == 80).sum()


def test_the_share_and_the_value_are_told() -> None:
    plane_yx, written_yx = _overwritten(_observed(_light(60, 100, size_px=256)), 72, share=0.07)
    survey = survey_planes([plane_yx])
    (told,) = [each for each in pixel_warnings(survey) if "overwrote" in each]
    assert "are scattered and have the value 72, more than noise explains" in told
    assert survey.defects.written_px == pytest.approx(written_yx.sum(), rel=0.15)


def test_the_most_frequent_of_several_values_are_listed() -> None:
    plane_yx = _observed(_light(60, 100, size_px=256))
    lots = np.random.default_rng(3).random(plane_yx.shape)
    for value, first, share in ((64, 0.0, 0.03), (108, 0.1, 0.08)):
        plane_yx[(lots >= first) & (lots < first + share)] = value
    assert find_defects(plane_yx).written_adu == (108, 64)


@pytest.mark.parametrize("factor", [0.6, 0.97, 1.07])
@pytest.mark.parametrize("photons", [10, 100, 1000])
@pytest.mark.parametrize("read_adu", [0.0, 1.5])
def test_scaled_values_are_measured(read_adu: float, photons: float, factor: float) -> None:
    """A value that two others were rounded to has twice as many pixels, in any light."""
    for light_yx in (np.full((128, 128), photons), _light(photons / 2, 2 * photons)):
        plane_yx = np.rint(factor * (100 + _observed(light_yx, read_adu=read_adu)))
        assert find_defects(plane_yx).written_px == 0


@pytest.mark.parametrize("light_photons", [(60, 60), (40, 150)])
@pytest.mark.parametrize("code", [50, 60, 70, 90])
def test_a_wide_code_of_a_converter_is_measured(code: int, light_photons: tuple[float, float]) -> None:
    """It has taken its pixels from the codes beside it, or grows with the number of these."""
    light_yx = _light(*light_photons) if light_photons[0] < light_photons[1] else np.full((128, 128), 60.0)
    plane_yx = _observed(light_yx)
    taken_yx = np.isin(plane_yx, (code - 1, code + 1)) & (
        np.random.default_rng(3).random(plane_yx.shape) < 0.5
    )
    assert find_defects(np.where(taken_yx, code, plane_yx)).written_px == 0


@pytest.mark.parametrize("photons", [3, 30, 300])
@pytest.mark.parametrize("gain_adu", [0.2, 1, 4.7, 30])
@pytest.mark.parametrize("grain_px", [0.7, 2.0])
def test_textures_are_measured_in_any_depth(grain_px: float, gain_adu: float, photons: float) -> None:
    rng = np.random.default_rng(5)
    electrons_yx = rng.poisson(texture(photons, grain_px, seed=2, size_px=160)) + rng.normal(
        0, 0.5, (160, 160)
    )
    plane_yx = 100 + gain_adu * electrons_yx
    above_yx = np.clip((plane_yx - plane_yx.min()) / np.ptp(plane_yx), 0, 1)
    for each in (plane_yx, np.rint(plane_yx), np.rint(255 * above_yx), np.rint(255 * np.sqrt(above_yx))):
        assert find_defects(each).written_px == 0


def test_real_fields_in_fewer_bits_are_measured(test_data: Path) -> None:
    files = [*test_data.glob("fmd_confocal/*_raw.tif"), *test_data.glob("miro/*_raw_*.tif")]
    assert len(files) > 4
    for path in files:
        plane_yx = tifffile.imread(path, key=0).astype(np.float64)[:400, :400]
        bright = float(np.quantile(plane_yx, 0.999))
        above_yx = np.clip(plane_yx / bright, 0, 1)
        for each in (np.rint(255 * above_yx), np.rint(255 * np.sqrt(above_yx)), np.rint(0.98 * plane_yx)):
            assert find_defects(each).written_px == 0
