"""Times and stage positions of single planes, as the readers of others tell them, and in results."""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from zarr.storage import ZipStore

from models_store.contracts.vocabulary import OutputFormat
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.opening import open_planes
from models_store.image_files.results.ome_zarr.hierarchy import PLANES
from models_store.image_files.results.result_file import ResultOptions, write_result
from tests.support.microscope_files import noise, ome_document, ome_image, write_pages

nd2 = pytest.importorskip("nd2")
ZARR = ResultOptions(OutputFormat.OME_ZARR)


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


def records_in_zarr(source: Path, group: str = "") -> dict[str, Any]:
    result = source.with_name("result.ozx")
    with open_planes(source) as planes:
        write_result(result, iter(planes), like=planes, options=ZARR)
    store = ZipStore(result, mode="r")
    found: dict[str, Any] = dict(zarr.open_group(store, path=group, mode="r").attrs)
    return dict(found.get(PLANES, {}))


def test_an_ome_zarr_of_an_nd2_has_a_record_of_each_plane(source: Path, reader: Reader) -> None:
    records = records_in_zarr(source)
    told = planes_in_result(source, reader)
    assert set(records) == {"delta_t_s", "exposure_s", "position_x_um", "position_y_um"}
    for plane in told:
        at = np.ravel_multi_index((plane["TheT"], plane["TheC"], plane["TheZ"]), (3, 2, 10))
        assert records["delta_t_s"][at] == pytest.approx(plane["DeltaT"])
        assert records["position_x_um"][at] == pytest.approx(plane["PositionX"])


def test_records_of_an_ome_tiff_are_converted_and_put_in_the_order_of_a_zarr(tmp_path: Path) -> None:
    planes = "".join(
        f'<Plane TheT="{t}" TheC="{c}" TheZ="0" DeltaT="{1000 * t + c}" DeltaTUnit="ms" PositionX="-{t}" '
        f'PositionXUnit="mm" PositionY="{t}"/>'
        for t in range(3)
        for c in range(2)
    )
    xml = ome_document(ome_image(0, {"C": 2, "T": 3}, "<TiffData/>" + planes))
    records = records_in_zarr(write_pages(tmp_path / "a.ome.tif", noise(6, 32, 40), xml))
    assert records["delta_t_s"] == pytest.approx([0, 0.001, 1, 1.001, 2, 2.001])
    assert records["position_x_um"] == [0, 0, -1000, -1000, -2000, -2000]
    assert "position_y_um" not in records  # in the unit of an unknown stage


def test_records_of_positions_are_with_their_images(tmp_path: Path) -> None:
    images = [
        ome_image(
            number,
            {"T": 2},
            f'<TiffData IFD="{2 * number}" PlaneCount="2"/>'
            + "".join(f'<Plane TheT="{t}" TheC="0" TheZ="0" DeltaT="{10 * number + t}"/>' for t in range(2)),
        )
        for number in range(2)
    ]
    path = write_pages(tmp_path / "a.ome.tif", noise(4, 32, 40), ome_document(*images))
    assert [records_in_zarr(path, str(number))["delta_t_s"] for number in range(2)] == [[0, 1], [10, 11]]


def test_without_times_of_all_planes_there_are_no_records(tmp_path: Path) -> None:
    xml = ome_document(ome_image(0, {"T": 2}, '<TiffData/><Plane TheT="0" TheC="0" TheZ="0" DeltaT="0"/>'))
    assert records_in_zarr(write_pages(tmp_path / "a.ome.tif", noise(2, 32, 40), xml)) == {}
