"""The simulator produces the stated signal and noise."""

from typing import get_args

import numpy as np
import pytest

from worker.engine.simulation import Detector, PhotonCounter, Scmos, simulate_specimen
from worker.engine.simulation.specimen import Structures


@pytest.mark.parametrize("shape_yx", [(1, 1), (17, 301), (256, 200)])
def test_a_specimen_lies_between_background_and_one(shape_yx: tuple[int, int]) -> None:
    specimen = simulate_specimen(shape_yx, seed=3, background=0.05)
    assert specimen.shape == shape_yx
    assert specimen.min() >= 0.05
    assert specimen.max() == pytest.approx(1.0)


@pytest.mark.parametrize("structures", get_args(Structures))
def test_every_kind_of_specimen_lies_between_background_and_one(structures: Structures) -> None:
    specimen = simulate_specimen((96, 130), seed=3, structures=structures)
    assert specimen.shape == (96, 130)
    assert specimen.min() >= 0.02
    assert specimen.max() == pytest.approx(1.0)
    assert specimen.std() > 0.03


def test_measured_maps_are_repeated_and_their_errors_replaced() -> None:
    gain, variance = np.full((10, 12), 2.0), np.full((10, 12), 4.0)
    gain[0, 0], gain[3, 3], variance[5, 5] = -2.5, 7.0, 0.0
    gain[1, 1] = 2.2
    camera = Scmos.measured((25, 30), gain_adu_per_e=gain, variance_adu2=variance, offset_adu=90.0)
    assert camera.gain_adu_per_e.shape == (25, 30)
    assert set(np.unique(camera.gain_adu_per_e)) == {2.0, 2.2}
    assert camera.gain_adu_per_e[11, 13] == 2.2
    assert np.all(camera.read_noise_adu == 2.0)
    assert np.all(camera.signal_adu(np.zeros((25, 30))) == 90.0)


def test_the_seed_determines_the_specimen() -> None:
    one, again, other = (simulate_specimen((64, 64), seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.allclose(one, other)


def test_a_specimen_is_mostly_dark_and_no_sharper_than_the_microscope() -> None:
    sharp, blurred = (simulate_specimen((256, 256), seed=1, psf_sigma_px=sigma) for sigma in (0.8, 3.0))
    assert np.median(sharp) < 0.3
    assert np.abs(np.diff(blurred)).max() < np.abs(np.diff(sharp)).max()


@pytest.mark.parametrize(
    "detector",
    [
        Scmos.with_maps((40, 50), seed=5),
        PhotonCounter(),
        PhotonCounter(offset_adu=30.0, read_noise_adu=4.0, pulse_spread=0.0),
    ],
)
def test_observations_have_the_stated_mean_and_variance(detector: Detector) -> None:
    rng = np.random.default_rng(7)
    photons = np.tile(np.linspace(1.0, 4.0, 50), (40, 1))
    frames = np.stack([detector.observe(photons, rng) for _ in range(400)]).astype(np.float64)
    mean_error = (frames.mean(axis=0) - detector.signal_adu(photons)).mean()
    assert abs(mean_error) < 0.01 * detector.signal_adu(photons).mean()
    ratio = frames.var(axis=0, ddof=1).mean() / detector.variance_adu2(photons).mean()
    assert ratio == pytest.approx(1.0, abs=0.03)


def test_a_photon_counter_is_8_bit_and_clips() -> None:
    frame = PhotonCounter().observe(np.full((50, 50), 20.0), np.random.default_rng(0))
    assert frame.dtype == np.uint8
    assert np.mean(frame == 255) > 0.9
    dark = PhotonCounter(read_noise_adu=0.5).observe(np.full((50, 50), 0.3), np.random.default_rng(0))
    assert np.mean(np.abs(dark.astype(float) - 4) <= 2) == pytest.approx(np.exp(-0.3), abs=0.05)


def test_a_camera_has_one_noise_per_pixel() -> None:
    camera = Scmos.with_maps((64, 64), seed=1)
    assert camera.gain_adu_per_e.std() > 0
    assert camera.read_noise_adu.min() > 0
    assert np.array_equal(camera.offset_adu, Scmos.with_maps((64, 64), seed=1).offset_adu)
    frame = camera.observe(np.full((64, 64), 1e9), np.random.default_rng(0))
    assert frame.dtype == np.uint16
    assert frame.max() == 65535
