"""Peak memory of reading and writing files."""

import sys
from pathlib import Path

import numpy as np
import pytest

from models_store.image_files.opening import open_planes
from models_store.image_files.tiff.writer import write_planes
from tests.support.lif_files import LifImage, write_lif
from tests.support.peak_memory import peak_mb, peak_mb_with

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory from /proc")


def copy_planes(source: Path, target: Path) -> None:
    with open_planes(source) as planes:
        write_planes(target, (plane.astype(np.float32) for plane in planes), like=planes)


@on_linux
def test_reading_and_writing_hold_one_plane_at_a_time(tmp_path: Path) -> None:
    few, many = (peak_mb(copy_planes, tmp_path, (planes, 1024, 1024)) for planes in (2, 40))
    assert many - few < 40  # all planes together are 80 MB as they are read, 160 MB as they are written


@on_linux
def test_so_do_those_of_vendors_files(tmp_path: Path) -> None:
    def peak(planes: int) -> float:
        pixels = np.random.default_rng(0).integers(50, 90, (planes, 1024, 1024), np.uint16)
        image = LifImage("stack", "ZYX", pixels, {"X": 0.1, "Y": 0.1})
        return peak_mb_with(copy_planes, write_lif(tmp_path / "stack.lif", [image]))

    assert peak(40) - peak(2) < 40
