"""Figures of simulated cameras: how honest their errors are, and which changes are found."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import drift
from models_store.contracts.camera_figures import CameraFigures, DriftLimits, Figure, FigureName
from models_store.contracts.noise_models import GmmParameters
from worker.engine.simulation import Scmos
from worker.judging.camera_check import judge_camera
from worker.judging.camera_reference import camera_reference

SIZE_PX, HOT = 128, 0.004
EVEN_LIGHT = 50 * np.tile(np.linspace(0.02, 1, drift.IMAGE_PX), (drift.IMAGE_PX, 1))


@pytest.fixture(scope="module")
def known() -> CameraFigures:
    """Figures of the camera when its noise model was made."""
    return drift.calibrate(drift.camera(SIZE_PX, hot=HOT), 1000)


def test_standard_errors_are_the_spread_of_repetitions() -> None:
    found = drift.spreads(64, 24)
    assert len(found) == 6
    for each in found:
        assert 1 / 1.5 < each.spread / each.stated < 1.5, each


def test_figures_are_those_of_the_simulated_camera(known: CameraFigures) -> None:
    camera = drift.camera(SIZE_PX, hot=HOT)
    truth = {
        FigureName.GAIN: 2.2,
        FigureName.OFFSET: float(np.median(camera.offset_adu)),
        FigureName.READ_NOISE: float(np.sqrt((camera.read_noise_adu**2).mean())) / 2.2,
        FigureName.LINEARITY: 0.0,
        FigureName.CORRELATION_Y: 0.0,
        FigureName.HOT_PIXELS: 100 * HOT,
    }
    for name, value in truth.items():
        figure = known.figures[name]
        assert figure.value == pytest.approx(value, abs=4 * figure.standard_error + 0.02), name
    assert (known.pattern_light or 0) ** 0.5 == pytest.approx(0.01, rel=0.15)


@pytest.mark.parametrize(
    ("change", "figure"),
    [
        ("none", None),
        ("gain + 3 %", FigureName.GAIN),
        ("offset + 2 DN", FigureName.OFFSET),
        ("read noise x 1.5", FigureName.READ_NOISE),
    ],
)
def test_changes_are_found_from_20_frames(
    known: CameraFigures, change: str, figure: FigureName | None
) -> None:
    check = drift.check_stack(drift.changes()[change](drift.camera(SIZE_PX, hot=HOT)), 1, known)
    assert check.drifted == ((figure,) if figure else ())
    assert check.verdict == ("drifted" if figure else "ok")


def test_twice_the_hot_pixels_are_found_from_20_frames(known: CameraFigures) -> None:
    assert drift.check_stack(drift.camera(SIZE_PX, hot=2 * HOT), 1, known).drifted == (FigureName.HOT_PIXELS,)


def test_without_dark_frames_a_shift_of_the_line_may_be_either(known: CameraFigures) -> None:
    camera = drift.camera(SIZE_PX, hot=HOT)
    noisier = replace(camera, read_noise_adu=1.5 * camera.read_noise_adu)
    found = drift.calibrate(noisier, 1, known=known, dark=False)
    check = judge_camera(found, known, "", DriftLimits(), "calibration")
    assert check.drifted == (FigureName.OFFSET,)
    assert "offset or read noise (only dark frames tell which)" in check.told
    assert FigureName.READ_NOISE in check.untold


@pytest.mark.parametrize(
    ("change", "figures"),
    [
        (lambda each: each, ()),
        (lambda each: replace(each, gain_adu_per_e=1.1 * each.gain_adu_per_e), (FigureName.GAIN,)),
        (lambda each: replace(each, offset_adu=each.offset_adu + 3), (FigureName.OFFSET,)),
    ],
)
def test_changes_are_found_from_an_image(
    known: CameraFigures, change: Callable[[Scmos], Scmos], figures: tuple[FigureName, ...]
) -> None:
    check = drift.check_image(change(drift.camera(drift.IMAGE_PX)), EVEN_LIGHT, 0, known)
    assert check.drifted == figures
    assert set(check.untold) >= {FigureName.READ_NOISE, FigureName.HOT_PIXELS}


def test_an_image_that_is_too_dim_or_even_tells_nothing(known: CameraFigures) -> None:
    check = drift.check_image(drift.camera(SIZE_PX), np.full((SIZE_PX, SIZE_PX), 3.0), 0, known)
    assert (check.verdict, check.figures) == ("undecided", ())
    assert "too dim, too even" in check.untold[FigureName.GAIN]


def test_a_figure_that_is_too_inexact_to_find_a_drift_is_undecided(known: CameraFigures) -> None:
    gain = known.figures[FigureName.GAIN]
    inexact = Figure(value=gain.value, standard_error=0.1 * gain.value, how="few pixels")
    check = judge_camera(CameraFigures(figures={FigureName.GAIN: inexact}), known, "", DriftLimits(), "image")
    assert (check.verdict, check.fine) == ("undecided", ())


def test_a_model_without_figures_is_known_by_its_variances() -> None:
    gain_adu, dark_adu2, low_adu, high_adu = 2.2, 9.0, 100.0, 1100.0
    variances = [np.log(dark_adu2), np.log(gain_adu * (high_adu - low_adu))]
    model = GmmParameters(
        weights=[[0.0, 0.0], variances, [0.0, 0.0]],
        variance_floor_adu2=1.0,
        signal_min_adu=low_adu,
        signal_max_adu=high_adu,
    )
    reference = camera_reference(model, {})
    assert reference is not None
    figures, told = reference
    assert figures.value_of(FigureName.GAIN) == pytest.approx(gain_adu)
    assert figures.value_of(FigureName.OFFSET) == pytest.approx(low_adu - dark_adu2 / gain_adu)
    assert figures.assumed_read_noise_e == 0.0
    assert "variances" in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "figures"),
    [("none", ()), ("gain + 3 %", (FigureName.GAIN,)), ("offset + 2 DN", (FigureName.OFFSET,))],
)
def test_small_changes_are_found_from_one_good_image(
    known: CameraFigures, change: str, figures: tuple[FigureName, ...]
) -> None:
    light = 200 * drift.specimen("mixed", drift.GOOD_IMAGE_PX, 0)
    check = drift.check_image(drift.changes()[change](drift.camera(drift.GOOD_IMAGE_PX)), light, 0, known)
    assert check.drifted == figures


@pytest.mark.slow
def test_unchanged_images_raise_no_alarm(known: CameraFigures) -> None:
    camera = drift.camera(drift.IMAGE_PX)
    for structures in drift.STRUCTURES:
        for photons in drift.PHOTONS:
            light = photons * drift.specimen(structures, drift.IMAGE_PX, 0)
            assert drift.check_image(camera, light, photons, known).drifted == (), (structures, photons)
