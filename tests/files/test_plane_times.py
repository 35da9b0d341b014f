"""Times and stage positions of single planes, as the readers of others tell them, and in results."""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from models_store.image_files.isolation.client import Reader
from models_store.image_files.results.result_file import write_result

nd2 = pytest.importorskip("nd2")


def planes_in_result(path: Path, reader: Reader) -> list[dict[str, Any]]:
    planes = reader.open(path)
    result = path.with_suffix(".ome.tif")
    write_result(result, iter(planes), like=planes)
    with tifffile.TiffFile(result) as tiff:
        found: list[dict[str, Any]] = tifffile.xml2dict(tiff.ome_metadata or "")["OME"]["Image"]["Pixels"][
            "Plane"
        ]
    return found


@pytest.fixture
def source(test_data: Path, tmp_path: Path) -> Path:
    path = tmp_path / "a.nd2"
    path.write_bytes((test_data / "vendor" / "nd2_cluster.nd2").read_bytes())
    return path


def test_each_plane_of_an_nd2_has_the_time_and_position_of_its_frame(source: Path, reader: Reader) -> None:
    with nd2.ND2File(source) as file:
        frames = [file.frame_metadata(frame).channels[0] for frame in range(30)]
    times_s = [frame.time.relativeTimeMs / 1e3 for frame in frames]
    told = planes_in_result(source, reader)
    assert len(told) == 60
    for plane in told:
        frame = plane["TheT"] * 10 + plane["TheZ"]
        assert plane["DeltaT"] == pytest.approx(times_s[frame] - times_s[0])
        stage = frames[frame].position.stagePositionUm
        assert (plane["PositionX"], plane["PositionY"]) == pytest.approx((stage.x, stage.y))
    steps_s = np.diff(times_s[::10])
    assert reader.open(source).header.time_interval_s == pytest.approx(steps_s.mean())


@pytest.mark.parametrize("damage", ["a length that is no multiple of 8", "a time that is no number"])
def test_an_nd2_whose_times_are_broken_is_read_without_them(
    damage: str, source: Path, reader: Reader
) -> None:
    content = bytearray(source.read_bytes())
    name = content.index(b"CustomData|AcqTimesCache!")
    if damage.startswith("a length"):
        content[name - 8] -= 1
    else:
        (name_bytes,) = struct.unpack_from("<I", content, name - 12)
        struct.pack_into("<d", content, name + name_bytes + 8 * 17, math.nan)
    source.write_bytes(content)
    pixels = np.stack([*reader.open(source)])
    with nd2.ND2File(source) as file:
        expected_tczyx = file.asarray().transpose(0, 2, 1, 3, 4)
    np.testing.assert_array_equal(pixels.reshape(expected_tczyx.shape), expected_tczyx)
    assert all("DeltaT" not in plane for plane in planes_in_result(source, reader))
