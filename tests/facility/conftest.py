"""Fixtures of the tests of whole facilities."""

from pathlib import Path

import numpy as np
import pytest
import tifffile


@pytest.fixture
def noise(tmp_path: Path) -> bytes:
    """Return the bytes of a TIFF of 8 MB."""
    path = tmp_path / "noise.tif"
    tifffile.imwrite(path, np.random.default_rng(1).integers(0, 60000, (2048, 2048), np.uint16))
    return path.read_bytes()
