"""Noise that changes from plane to plane of a series, as after a change of gain."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.image_files.channels import survey_image
from models_store.image_files.opening import open_planes
from models_store.survey.warnings import pixel_warnings
from worker.engine.simulation import simulate_specimen

_SIDE_PX = 160


def _told(path: Path, axes: str, gains_adu: Sequence[float], lights: Sequence[float]) -> list[str]:
    """Return the warnings about a series whose planes have these gains, and photons by these factors."""
    rng = np.random.default_rng(7)
    photons_yx = 5 + 60 * simulate_specimen((_SIDE_PX, _SIDE_PX), seed=2)
    stack = [
        100 + gain_adu * rng.poisson(photons_yx * light) + rng.normal(0, 3, photons_yx.shape)
        for gain_adu, light in zip(gains_adu, lights, strict=True)
    ]
    pixels = np.asarray(stack).round().clip(0, 65535).astype(np.uint16)
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": axes})
    with open_planes(path) as planes:
        return pixel_warnings(survey_image(planes))


@pytest.mark.parametrize("axes", ["TYX", "ZYX"])
def test_another_gain_at_equal_brightness_is_told(axes: str, tmp_path: Path) -> None:
    (told,) = _told(tmp_path / "gains.tif", axes, [2] * 4 + [20] * 4, [10] * 4 + [1] * 4)
    assert "planes differ in their noise" in told
    assert "gain or camera mode" in told


@pytest.mark.parametrize("axes", ["TYX", "ZYX"])
def test_slowly_bleaching_planes_have_the_same_noise(axes: str, tmp_path: Path) -> None:
    assert not _told(tmp_path / "bleached.tif", axes, [4] * 8, np.geomspace(2, 0.5, 8).tolist())
