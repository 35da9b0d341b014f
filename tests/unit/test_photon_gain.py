"""A file's conversion of counts into photons, against the noise of its pixels."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.image_files.acquisition import Acquisition
from models_store.image_files.image_warnings import image_warnings
from models_store.survey.survey import survey_planes
from tests.support.headers import header_of

GAIN_ADU = 2.0
FULL_SCALE = 4095


def recorded(scene_photons: float, read_noise_adu: float = 1.0) -> NDArray[np.float64]:
    """Return a plane (Y, X) in ADU of a smooth scene up to so many photons."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:256, :256] / 256
    photons = scene_photons * (0.05 + 0.95 * (np.sin(3 * y) * np.cos(2 * x)) ** 2)
    counts: NDArray[np.float64] = GAIN_ADU * rng.poisson(photons) + 100.0
    counts += rng.normal(0, read_noise_adu, photons.shape)
    return counts


def warnings_of(
    plane_yx: NDArray[np.float64], photons_at_full_scale: float | None, bit_depth: int | None = 12
) -> list[str]:
    settings = Acquisition(photon_conversion_factor=photons_at_full_scale, bit_depth=bit_depth)
    header = header_of("YX", plane_yx.shape).model_copy(update={"acquisition": (settings,)})
    told = image_warnings(header, survey_planes([plane_yx]))
    return [text for text in told if "PhotonConversionFactor" in text]


@pytest.mark.parametrize("share", [0.85, 1.0, 1.15])
def test_a_factor_that_fits_the_noise_is_not_told(share: float) -> None:
    assert warnings_of(recorded(500), share * FULL_SCALE / GAIN_ADU) == []


@pytest.mark.parametrize("share", [0.5, 0.7, 1.4, 3.0])
def test_a_factor_that_does_not_fit_the_noise_is_told_with_both_gains(share: float) -> None:
    (told,) = warnings_of(recorded(500), share * FULL_SCALE / GAIN_ADU)
    assert f"a photon makes {GAIN_ADU / share:.3g} ADU" in told
    measured_adu = float(told.partition("by its noise, ")[2].split()[0])
    assert measured_adu == pytest.approx(GAIN_ADU, rel=0.1)


@pytest.mark.parametrize(
    ("plane_yx", "photons_at_full_scale", "bit_depth"),
    [
        (recorded(500), None, 12),
        (recorded(500), 500.0, None),
        (recorded(500), 0.5, 12),
        (recorded(1, read_noise_adu=30), 500.0, 12),
        (recorded(500)[:20, :20], 500.0, 12),
    ],
    ids=["no factor", "no bit depth", "another unit", "noise of the readout", "few pixels"],
)
def test_nothing_is_told_of_an_uncertain_gain(
    plane_yx: NDArray[np.float64], photons_at_full_scale: float | None, bit_depth: int | None
) -> None:
    assert warnings_of(plane_yx, photons_at_full_scale, bit_depth) == []


def test_each_channel_has_a_factor_of_its_own() -> None:
    planes = [recorded(500), recorded(500)]
    right, wrong = (
        Acquisition(photon_conversion_factor=share * FULL_SCALE / GAIN_ADU, bit_depth=12) for share in (1, 2)
    )
    header = header_of("CYX", (2, 256, 256), ("DAPI", "GFP"))
    header = header.model_copy(update={"acquisition": (right, wrong)})
    each = survey_planes(planes[:1])
    survey = survey_planes(planes).model_copy(update={"channels": (each, each)})
    told = [text for text in image_warnings(header, survey) if "PhotonConversionFactor" in text]
    assert len(told) == 1
    assert "GFP" in told[0].partition(":")[0]
