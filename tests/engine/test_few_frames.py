"""Noise models from the mean of few frames: the bias of the variance is corrected."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.support.calibration_frames import count_frames
from worker.engine.noise.fitting.fit import fit_gmm
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.simulation import Scmos

FRAME_COUNTS = (5, 10, 20, 50, 100)
SHAPE_YX = (192, 192)
PHOTONS = np.outer(np.linspace(2, 500, SHAPE_YX[0]), np.ones(SHAPE_YX[1]))
CAMERA = Scmos(np.full(SHAPE_YX, 2.0), np.full(SHAPE_YX, 100.0), np.full(SHAPE_YX, 3.0))


@pytest.fixture(scope="module")
def frames() -> list[NDArray[np.uint16]]:
    rng = np.random.default_rng(12)
    return [CAMERA.observe(PHOTONS, rng) for _ in range(max(FRAME_COUNTS))]


def variance_ratio(counts: PairCounts) -> float:
    """Return observed over true variance, averaged over the pixels."""
    curve = counts.photon_transfer_curve()
    photons = (curve.signal_adu - 100) / 2
    return float(np.average(curve.variance_adu2 / (4 * photons + 9 + 1 / 12), weights=curve.count))


@pytest.mark.parametrize("number", FRAME_COUNTS)
def test_the_variance_is_right_from_five_frames_to_a_hundred(
    frames: list[NDArray[np.uint16]], number: int
) -> None:
    counts = count_frames(frames[:number])
    assert variance_ratio(counts) == pytest.approx(1, abs=0.01)
    fitted = fit_gmm(counts, 1, 2, generator=torch.Generator().manual_seed(1), starts=1).model
    photons = torch.linspace(20, 480, 50, dtype=torch.float64)
    ratio = fitted.variance_adu2(100 + 2 * photons) / (4 * photons + 9 + 1 / 12)
    assert float((ratio - 1).abs().max()) < 0.02


@pytest.mark.parametrize("number", FRAME_COUNTS)
def test_without_the_correction_it_is_too_small_by_one_part_in_n_for_n_frames(
    frames: list[NDArray[np.uint16]], number: int
) -> None:
    mean = np.mean(frames[:number], axis=0)
    counts = PairCounts()
    for frame in frames[:number]:
        counts.add(frame, mean)
    assert variance_ratio(counts) == pytest.approx(1 - 1 / number, abs=0.01)
