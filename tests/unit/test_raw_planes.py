"""Planes buffered on disk."""

from pathlib import Path

import numpy as np

from worker.planes.raw_planes import SpooledPlanes


def test_planes_can_be_read_repeatedly_and_in_order(tmp_path: Path) -> None:
    planes = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    with SpooledPlanes(tmp_path / "spooled") as spooled:
        for plane_yx in planes:
            spooled.append(plane_yx)
        for _ in range(2):
            np.testing.assert_array_equal(list(spooled), planes)
