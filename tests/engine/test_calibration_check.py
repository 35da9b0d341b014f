"""Checks of valid and invalid calibration stacks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tests.support.calibration_frames import check_frames, count_frames
from worker.engine.errors import ImageUnsuitableError
from worker.engine.noise.measuring.calibration_check import CalibrationCheck
from worker.engine.noise.measuring.scene import average_scene

FRAMES = 24
Scene = Callable[[int], NDArray[np.float64]]


def scene() -> NDArray[np.float64]:
    noise = np.random.default_rng(5).normal(size=(96, 96))
    smooth = ndimage.gaussian_filter(noise, 6, mode="wrap")
    return np.asarray(60 + 50 * (smooth - smooth.min()) / np.ptp(smooth))


def checked(photons: Scene, *, frames: int = FRAMES, seed: int = 0) -> CalibrationCheck:
    rng = np.random.default_rng(seed)
    stack = [
        np.rint(100 + 2 * rng.poisson(photons(index)) + rng.normal(0, 3, (96, 96))).astype(np.uint16)
        for index in range(frames)
    ]
    return check_frames(stack)


def test_a_static_scene_is_accepted() -> None:
    still = scene()
    found = checked(lambda _: still)
    assert found.warnings == ()
    assert found.signal_min_adu == pytest.approx(100 + 2 * np.percentile(still, 0.5), rel=0.02)
    assert found.signal_max_adu == pytest.approx(100 + 2 * np.percentile(still, 99.5), rel=0.02)
    assert found.saturated == 0


def test_bleaching_is_found() -> None:
    still = scene()
    found = checked(lambda index: still * (1 - 0.1 * index / (FRAMES - 1)))
    assert found.trend.brightness_change == pytest.approx(-0.078, abs=0.02)
    assert any("bleaching" in warning for warning in found.warnings)


def test_drift_is_found() -> None:
    still = scene()
    found = checked(lambda index: ndimage.shift(still, (0, 2 * index / FRAMES), mode="wrap", order=3))
    assert found.trend.drift_px[1] == pytest.approx(1.5, abs=0.3)
    assert abs(found.trend.drift_px[0]) < 0.3
    assert any("the scene moves" in warning for warning in found.warnings)


LAMP = np.random.default_rng(8).normal(size=2 * FRAMES)
STRUCTURES = (
    20
    + 60 * ndimage.gaussian_filter(np.random.default_rng(6).random((96, 96)) < 0.02, 2.5, output=float) * 20
)
CHANGES: dict[str, Scene] = {
    "bleaching": lambda index: STRUCTURES * (1 - 0.4 * index / (FRAMES - 1)),
    "flicker": lambda index: STRUCTURES * (1 + 0.08 * LAMP[index]),
    "drift": lambda index: ndimage.shift(STRUCTURES, (0.3 * index, 0), mode="nearest"),
    "vibration": lambda index: ndimage.shift(STRUCTURES, LAMP[index::FRAMES] / 2, mode="nearest"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_share_of_the_variance_that_is_not_noise_is_right(change: str) -> None:
    rng = np.random.default_rng(2)
    signals = [100 + 2 * CHANGES[change](index) for index in range(FRAMES)]
    stack = [100 + 2 * rng.poisson((signal - 100) / 2) + rng.normal(0, 3, (96, 96)) for signal in signals]
    noise = np.mean([(frame - signal) ** 2 for frame, signal in zip(stack, signals, strict=True)])
    measured = np.var(stack, axis=0, ddof=1).mean()
    found = check_frames(stack)
    said = found.flicker + found.motion + found.excess_correlation
    assert 0.1 < said < 0.7
    assert said == pytest.approx(1 - noise / measured, abs=0.05)
    assert found.warnings


def test_a_scene_that_changes_is_found() -> None:
    still = scene()
    found = checked(lambda index: still + 12 * np.sin(index / 4) * np.roll(still, 40, 0) / still.mean())
    assert found.excess_correlation > 0.02
    assert any("consecutive frames" in warning for warning in found.warnings)


def test_saturation_and_few_frames_are_found() -> None:
    still = scene()
    stack = [np.minimum(frame, 255).astype(np.uint8) for frame in [100 + 2 * still] * 3]
    found = check_frames(stack)
    assert any("saturated" in warning for warning in found.warnings)
    assert any("3 frames" in warning for warning in found.warnings)


def test_dark_pixels_of_a_photon_counter_are_used_the_better_the_more_frames_there_are() -> None:
    frames = np.random.default_rng(1).poisson(6.0, (200, 24, 24)).astype(np.uint16)
    assert average_scene(list(frames), (0, 65535)).usable_yx.mean() > 0.95


@pytest.mark.parametrize("lowest", [0, 700])
def test_copies_of_a_frame_are_recognised(lowest: int) -> None:
    frame = np.full((16, 16), lowest, dtype=np.uint16)
    frame[4:8, 4:8] = 65535
    found = check_frames([frame] * 4)
    assert "no pixel within the detector's range changes" in (found.unusable or "")
    assert (found.flicker, found.motion, found.excess_correlation) == (0, 0, 0)


def test_copies_of_one_frame_alone_are_unsuitable() -> None:
    frame = np.random.default_rng(1).poisson(300, (16, 16)).astype(np.uint16)
    assert "record separate frames, not copies" in (check_frames([frame] * 4).unusable or "")


def test_dark_frames_may_be_equal_by_chance() -> None:
    frames = np.zeros((8, 16, 16), dtype=np.uint16)
    frames[:, 3, 3] = 40
    frames[::2, 9, 5] = 1
    assert check_frames(list(frames)).copied_frames == ()


def test_a_frame_that_was_written_twice_is_told_and_counts_once() -> None:
    frames = np.random.default_rng(2).poisson(300, (12, 32, 32)).astype(np.uint16)
    twice = [each for frame in frames for each in (frame, frame)]
    found, once = check_frames(twice), check_frames(list(frames))
    assert found.frames == 12
    assert found.copied_frames == tuple(range(2, 25, 2))
    assert found.excess_correlation == pytest.approx(once.excess_correlation)
    assert (
        "frames 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 and 2 more of 24 are exact copies of an earlier one"
        in (found.warnings[0])
    )
    counts, expected = count_frames(twice), count_frames(list(frames))
    assert counts.pairs == expected.pairs
    assert counts.photon_transfer_curve().variance_adu2 == pytest.approx(
        expected.photon_transfer_curve().variance_adu2
    )


def test_the_end_of_a_recording_may_hold_copies_only() -> None:
    first, second = np.random.default_rng(3).poisson(300, (2, 32, 32)).astype(np.uint16)
    found = check_frames([first, second] * 4)
    assert (found.frames, found.copied_frames) == (2, (3, 4, 5, 6, 7, 8))
    assert not found.trend.brightness_changes(0.02)


def test_the_golden_calibration_is_static(golden: Path) -> None:
    with np.load(golden / "simulated_calibration.npz") as archive:
        found = check_frames(list(archive["observation"]))
    assert found.warnings == ()
    assert found.frames == 20


@pytest.mark.parametrize(
    ("stack", "complaint"),
    [
        ([np.zeros((4, 4))], "has one frame, but noise shows only between frames"),
        (
            [np.zeros((4, 4)), np.zeros((5, 4))],
            "frame 2 .* is 4 x 5 pixels, the first one 4 x 4",
        ),
    ],
)
def test_frames_that_are_no_stack_are_refused(stack: list[NDArray[np.float64]], complaint: str) -> None:
    with pytest.raises(ImageUnsuitableError, match=complaint):
        check_frames(stack)


@pytest.mark.parametrize(
    ("empty", "named"), [([4], "frame 5 of 24 is empty"), ([0, 4], "frames 1, 5 of 24 are")]
)
def test_empty_frames_are_named(empty: list[int], named: str) -> None:
    still = scene()
    stack = [
        np.rint(100 + np.random.default_rng(index).poisson(still)).astype(np.uint16)
        for index in range(FRAMES)
    ]
    for index in empty:
        stack[index][:] = 0
    assert named in (check_frames(stack).unusable or "")
