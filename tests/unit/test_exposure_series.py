"""The linearity error of a series of exposures."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import drift
from models_store.contracts.camera_figures import CameraFigures, DriftLimits, FigureName
from models_store.image_files.acquisition import Acquisition
from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import PlaneSource, ResultFormat
from worker.engine.noise.measuring.exposure_series import linearity_error
from worker.judging.calibration_scenes import exposures_s_of, scenes_of
from worker.judging.camera_check import judge_camera
from worker.judging.camera_figures import camera_figures

EXPOSURES_S = np.array([0.01, 0.02, 0.04, 0.06, 0.08, 0.1])


def test_a_line_with_any_offset_has_no_error() -> None:
    found = linearity_error(EXPOSURES_S, 100 + 3e4 * EXPOSURES_S, np.full(6, 0.3))
    assert found is not None
    assert found.value == pytest.approx(0, abs=1e-9)
    assert found.error == pytest.approx(np.sqrt(np.sum((0.3 / (3e4 * EXPOSURES_S)) ** 2)) / 6)


def test_the_error_is_the_mean_relative_deviation() -> None:
    """Light, half of it 2 % too bright and half 2 % too dark, in an order that no line follows."""
    signs = np.array([1, -1, -1, 1, 1, -1])
    found = linearity_error(EXPOSURES_S, 100 + 3e4 * EXPOSURES_S * (1 + 0.02 * signs), np.full(6, 0.3))
    assert found is not None
    assert found.value == pytest.approx(0.02, rel=0.15)


@pytest.mark.parametrize(
    ("exposure_s", "signal_adu"),
    [
        (EXPOSURES_S[:4], 3e4 * EXPOSURES_S[:4]),
        (0.1 + EXPOSURES_S, 3e4 * EXPOSURES_S),
        (EXPOSURES_S, 3e4 * EXPOSURES_S[::-1]),
        (np.full(6, 0.1), 3e4 * EXPOSURES_S),
    ],
    ids=["few", "alike", "falling", "one exposure"],
)
def test_what_is_no_series_tells_nothing(exposure_s: np.ndarray, signal_adu: np.ndarray) -> None:
    assert linearity_error(exposure_s, signal_adu, np.full(len(exposure_s), 0.3)) is None


def _series(bend: float, seed: int, exposures_s: np.ndarray = EXPOSURES_S) -> CameraFigures:
    """Return the figures of even light at each exposure, by a camera whose response bends."""
    camera, rng = drift.camera(64), np.random.default_rng([19, seed])
    light = drift.BRIGHTEST * np.tile(np.linspace(0.5, 1, 64), (64, 1))
    scenes = [
        replace(
            drift.observed_scene(camera, light * share * (1 - bend * share), rng, dark=False),
            exposure_s=float(share * EXPOSURES_S.max()),
        )
        for share in exposures_s / EXPOSURES_S.max()
    ]
    return camera_figures(scenes, [], rounding_adu2=1 / 12)


def test_a_camera_that_bends_is_told_by_its_exposures() -> None:
    straight, again, bent = _series(0.0, 1), _series(0.0, 2), _series(0.2, 3)
    figure = straight.figures[FigureName.LINEARITY]
    assert figure.how == "6 exposures of 0.01 to 0.1 s"
    assert figure.value < 0.5
    assert bent.figures[FigureName.LINEARITY].value > 1
    verdicts = [
        next(
            each.verdict
            for each in judge_camera(found, straight, "", DriftLimits(), "calibration").figures
            if each.name is FigureName.LINEARITY
        )
        for found in (again, bent)
    ]
    assert verdicts == ["ok", "drifted"]


def test_a_bend_is_not_compared_with_a_series() -> None:
    series, stack = _series(0.0, 1), _series(0.0, 2, EXPOSURES_S[:4])
    assert "bend of the photon transfer curve" in stack.figures[FigureName.LINEARITY].how
    (judged,) = (
        each
        for each in judge_camera(stack, series, "", DriftLimits(), "calibration").figures
        if each.name is FigureName.LINEARITY
    )
    assert (judged.verdict, judged.reference) == ("undecided", None)


@dataclass(frozen=True)
class _File:
    """A file of some frames, of which only the header is read."""

    header: ImageHeader

    def __len__(self) -> int:
        return self.header.planes

    def __getitem__(self, index: int, /) -> NDArray[Any]:
        raise IndexError(index)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return iter(())

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        raise NotImplementedError(dtype)


def _file(frames: int, *exposures_s: float | None) -> PlaneSource:
    return _File(
        ImageHeader(
            axes="TYX",
            shape=(frames, 2, 2),
            dtype="uint16",
            planes=frames,
            height_px=2,
            width_px=2,
            pixel_size_um=None,
            channel_names=(),
            file_kind="tiff",
            decoded_bytes=8 * frames,
            acquisition=tuple(Acquisition(exposure_s=each) for each in exposures_s),
        )
    )


def test_exposures_of_scenes_are_those_on_which_their_files_agree() -> None:
    files = [
        ("a", _file(20, 0.1)),
        ("a", _file(20, 0.2, 0.2)),
        ("two", _file(20, 0.1, 0.3)),
        ("none", _file(20, None)),
        ("untold", _file(20)),
        ("frame", _file(1, 0.5)),
        ("frame 2", _file(1, 0.5)),
    ]
    assert exposures_s_of(files) == {"a": 0.1, "a (2)": 0.2, "the single frames": 0.5}
    assert [len(frames) for frames in scenes_of(files).values()] == [20, 20, 20, 20, 20, 2]
