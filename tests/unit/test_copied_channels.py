"""Channels with the same pixels are named; empty ones, and those that differ in one plane, are not."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.image_files.channels import survey_image
from models_store.image_files.image_warnings import image_warnings
from models_store.image_files.tiff.reader import open_planes


def _channel(seed: int, frames: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).poisson(40, (frames, 48, 48)).astype(np.uint16)


def _told(path: Path, *channels: np.ndarray) -> list[str]:
    stack = np.stack(channels, axis=1)
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "TCYX"})
    with open_planes(path) as planes:
        return [
            each for each in image_warnings(planes.header, survey_image(planes)) if "exact copy of" in each
        ]


@pytest.mark.parametrize("frames", [1, 3])
def test_a_copied_channel_is_named_with_its_original(tmp_path: Path, frames: int) -> None:
    one, two = _channel(1, frames), _channel(2, frames)
    (told,) = _told(tmp_path / "a.tif", one, two, one)
    assert "channel 3 is an exact copy of channel 1" in told


def test_channels_that_differ_or_are_empty_are_no_copies(tmp_path: Path) -> None:
    one, differs, empty = _channel(1), _channel(1), np.zeros((2, 48, 48), np.uint16)
    differs[1] = _channel(2)[1]
    assert _told(tmp_path / "a.tif", one, differs, empty, empty) == []
