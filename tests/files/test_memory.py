"""Peak memory of reading and writing files."""

import sys
from pathlib import Path

import numpy as np
import pytest

from models_store.image_files.tiff.reader import open_planes
from models_store.image_files.tiff.writer import write_planes
from tests.support.peak_memory import peak_mb


def copy_planes(source: Path, target: Path) -> None:
    with open_planes(source) as planes:
        write_planes(target, (plane.astype(np.float32) for plane in planes), like=planes)


@pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory from /proc")
def test_reading_and_writing_hold_one_plane_at_a_time(tmp_path: Path) -> None:
    few, many = (peak_mb(copy_planes, tmp_path, (planes, 1024, 1024)) for planes in (2, 40))
    assert many - few < 40  # all planes together are 80 MB as they are read, 160 MB as they are written
