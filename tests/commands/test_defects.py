"""Denoising images with missing planes, missing pixels and hot pixels."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray

from models_store.contracts.spec_parts import TrainingBudget
from models_store.contracts.vocabulary import DEFAULT_PRESET, OutputDtype
from tests.support.posted_jobs import TINY
from worker.engine.simulation import simulate_specimen
from worker.engine.training.adaptation import Adaptation
from worker.engine.training.presets import PRESETS
from worker.jobs.inputs import preset_with
from worker.offline.denoise import DenoiseOptions, denoise_file
from worker.offline.denoise_summary import DenoiseSummary

PRESET = replace(
    preset_with(PRESETS[DEFAULT_PRESET], TrainingBudget(**TINY)),
    adaptation=Adaptation(steps=4, learning_rate=6e-4),
)
OPTIONS = DenoiseOptions(torch.device("cpu"), dtype=OutputDtype.SAME, presets={DEFAULT_PRESET: PRESET})
HOT = ([10, 30, 50], [20, 45, 12])


def noisy(planes: int = 1) -> NDArray[np.uint16]:
    """Return planes (Z, Y, X) of one scene: up to 60 photons at 2 ADU, on an offset of 100 ADU."""
    rng = np.random.default_rng(8)
    photons = 4 + 60 * simulate_specimen((64, 56), seed=8)
    return np.stack([(100 + 2 * rng.poisson(photons)).astype(np.uint16) for _ in range(planes)])


def denoised(
    folder: Path, planes: NDArray[Any], options: DenoiseOptions = OPTIONS
) -> tuple[NDArray[Any], DenoiseSummary]:
    source, target = folder / "noisy.tif", folder / "denoised.tif"
    tifffile.imwrite(source, planes, photometric="minisblack")
    summary = denoise_file(source, target, options, lambda *_: None)
    return tifffile.imread(target), summary


def test_empty_planes_stay_empty(tmp_path: Path) -> None:
    """The planes that a stack is judged by are empty: the first, the middle and the last."""
    planes = noisy(9)
    with_data = [1, 5]
    empty = [plane for plane in range(9) if plane not in with_data]
    planes[empty] = 0
    result, summary = denoised(tmp_path, planes, replace(OPTIONS, report_folder=tmp_path / "report"))
    assert not result[empty].any()
    assert 90 < result[with_data].mean() < 200
    assert "7 of 9 planes looked at are empty" in " ".join(summary.warnings)
    assert summary.channels[0].noise_model["signal_min_adu"] > 90
    assert (tmp_path / "report" / "report.png").exists()


def test_missing_pixels_stay_as_they_are(tmp_path: Path) -> None:
    planes = noisy(2).astype(np.float32)
    planes[0, :12] = np.nan
    planes[1, :, 40:] = -1
    missing = ~np.isfinite(planes) | (planes == -1)
    result, summary = denoised(tmp_path, planes)
    np.testing.assert_array_equal(result[missing], planes[missing])
    assert result[~missing].min() > 95
    assert summary.channels[0].noise_model["signal_min_adu"] > 90
    told = " ".join(summary.warnings)
    assert "672 of 7168 pixels" in told
    assert "are NaN" in told
    assert "1024 of 7168 pixels" in told
    assert "scattered pixels of the value -1; " in told


def test_hot_pixels_change_nothing_but_themselves(tmp_path: Path) -> None:
    plane = noisy()[0].astype(np.int32)
    hot = plane.copy()
    hot[HOT] = 65535
    without, _ = denoised(tmp_path, plane)
    result, summary = denoised(tmp_path, hot)
    # A pixel of 65535 among the others would have the scale of the network, and all be one grey.
    difference_adu = (result - without).astype(np.float64)
    assert np.sqrt(np.square(difference_adu).mean()) < plane.std() / 5
    assert np.abs(difference_adu[HOT]).max() < plane.std()
    assert "3 of 3584 pixels" in " ".join(summary.warnings)


def test_hot_pixels_can_be_kept(tmp_path: Path) -> None:
    plane = noisy()[0]
    plane[HOT] = 65535
    result, _ = denoised(tmp_path, plane, replace(OPTIONS, keep_hot_pixels=True))
    assert (result[HOT] == 65535).all()
    assert (result == 65535).sum() == 3


@pytest.mark.parametrize("unit", [1e-13])
def test_the_unit_of_the_values_does_not_matter(tmp_path: Path, unit: float) -> None:
    # Not integers, of which there would be some in the other unit only.
    plane = (noisy()[0] * 1.37).astype(np.float32)
    counts, _ = denoised(tmp_path, plane)
    result, _ = denoised(tmp_path, (plane * unit).astype(np.float32))
    assert np.sqrt(np.square(result / unit - counts).mean()) < plane.std() / 5
