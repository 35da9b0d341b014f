"""CZI files in which planes are missing, as an acquisition was stopped."""

from collections.abc import Collection
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from models_store.errors import ImageCorruptError
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.opening import open_planes
from models_store.image_files.tiff.writer import write_planes
from tests.support.microscope_files import noise

czi = pytest.importorskip("pylibCZIrw.czi")

Place = tuple[int, int, int]


def stopped(
    path: Path, pixels_tczyx: NDArray[Any], missing: Collection[Place], scene: int | None = None
) -> Path:
    """Write planes but for those at (T, C, Z); with a scene, another one that is complete."""
    at_scene = {} if scene is None else {"scene": scene}
    with czi.create_czi(str(path)) as file:
        for t, c, z in product(*map(range, pixels_tczyx.shape[:3])):
            if (t, c, z) not in missing:
                file.write(pixels_tczyx[t, c, z], plane={"T": t, "C": c, "Z": z}, **at_scene)
        if scene is not None:
            for t, c, z in product(*map(range, pixels_tczyx.shape[:3])):
                place = {"T": t, "C": c, "Z": z}
                file.write(pixels_tczyx[t, c, z] + 1, plane=place, scene=scene + 1, location=(1000, 0))
        file.write_metadata("document", scale_x=1e-7, scale_y=1e-7)
    return path


@pytest.mark.parametrize(
    ("missing", "kept_t", "told"),
    [
        ({(3, 1, 0)}, [0, 1, 2], "7 of 8 planes are in the file; 1 of them"),
        ({(1, 0, 0), (1, 1, 0)}, [0, 2, 3], "6 of 8 planes are in the file"),
        ({(1, 0, 0), (3, 1, 0)}, [0, 2], "6 of 8 planes are in the file; 2 of them"),
    ],
)
def test_complete_times_are_read_and_the_rest_is_told(
    reader: Reader, tmp_path: Path, missing: set[Place], kept_t: list[int], told: str
) -> None:
    pixels = noise(4, 2, 1, 40, 50)
    planes = reader.open(stopped(tmp_path / "a.czi", pixels, missing))
    assert (planes.header.axes, planes.header.shape) == ("TCYX", (len(kept_t), 2, 40, 50))
    left_out = " belong to incomplete times or depths and are left out" if told.endswith("them") else ""
    assert planes.header.warnings == (told + left_out,)
    np.testing.assert_array_equal(np.stack([*planes]), pixels[kept_t].reshape(-1, 40, 50))


def test_of_a_single_time_complete_depths_are_read(reader: Reader, tmp_path: Path) -> None:
    pixels = noise(1, 2, 3, 40, 50)
    planes = reader.open(stopped(tmp_path / "a.czi", pixels, {(0, 1, 1)}))
    assert (planes.header.axes, planes.header.shape) == ("CZYX", (2, 2, 40, 50))
    assert planes.header.warnings[0].startswith("5 of 6 planes are in the file; 1 of them")
    np.testing.assert_array_equal(np.stack([*planes]), pixels[0][:, [0, 2]].reshape(-1, 40, 50))


def test_the_result_has_the_planes_that_are_there(tmp_path: Path) -> None:
    result = tmp_path / "result.ome.tif"
    with open_planes(stopped(tmp_path / "a.czi", noise(4, 2, 1, 40, 50), {(3, 1, 0)})) as planes:
        write_planes(result, (plane.astype("f4") for plane in planes), like=planes)
    with tifffile.TiffFile(result) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("TCYX", (3, 2, 40, 50))


def test_another_scene_that_is_incomplete_refuses_nothing(reader: Reader, tmp_path: Path) -> None:
    pixels = noise(2, 2, 1, 40, 50)
    path = stopped(tmp_path / "a.czi", pixels, {(1, 1, 0)}, scene=0)
    whole = reader.open(path, series=1)
    assert (whole.header.shape, whole.header.warnings) == ((2, 2, 40, 50), ())
    np.testing.assert_array_equal(np.stack([*whole]), pixels.reshape(-1, 40, 50) + 1)
    part = reader.open(path, series=0)
    assert part.header.shape == (2, 40, 50)
    np.testing.assert_array_equal(np.stack([*part]), pixels[0].reshape(-1, 40, 50))


def test_planes_without_a_complete_time_or_depth_are_refused(reader: Reader, tmp_path: Path) -> None:
    path = stopped(tmp_path / "a.czi", noise(2, 2, 1, 40, 50), {(0, 0, 0), (1, 1, 0)})
    with pytest.raises(ImageCorruptError, match="2 of 4 planes are in the file, and no time or depth"):
        reader.open(path)
