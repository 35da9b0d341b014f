"""OME-TIFF: planes lie where the XML says, what is missing is told, and the result's XML is its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from models_store.errors import ImageCorruptError
from models_store.image_files.tiff.reader import open_planes
from tests.support.microscope_files import copied, noise, ome_document, ome_image, write_pages

DAPI = '<Channel ID="Channel:0:0" Name="DAPI"/>'
CHANNELS = DAPI + '<Channel ID="Channel:0:1" Name="GFP"/>'


def _of_result(path: Path) -> dict[str, Any]:
    with tifffile.TiffFile(path) as tiff:
        root: dict[str, Any] = tifffile.xml2dict(tiff.ome_metadata or "")["OME"]
    return root


def test_an_acquisition_that_stopped_early_is_read(tmp_path: Path) -> None:
    times = "".join(f'<Plane TheZ="0" TheC="0" TheT="{t}" DeltaT="{t * 1.5}"/>' for t in range(10))
    xml = ome_document(ome_image(0, {"T": 10}, "<TiffData/>" + times))
    file = copied(write_pages(tmp_path / "short.ome.tif", noise(4, 32, 40), xml))
    assert (file.header.axes, file.header.shape) == ("TYX", (4, 32, 40))
    assert file.header.warnings == ("4 of 10 planes are in the file",)
    pixels = _of_result(file.result)["Image"]["Pixels"]
    assert (pixels["Type"], pixels["SizeT"]) == ("float", 4)
    assert [plane["DeltaT"] for plane in pixels["Plane"]] == [0, 1.5, 3, 4.5]
    with open_planes(file.result) as result:
        assert result.header.warnings == ()


def test_a_stop_between_two_channels_keeps_each_plane_in_its_place(tmp_path: Path) -> None:
    content = CHANNELS + '<TiffData IFD="0" PlaneCount="5"/>'
    xml = ome_document(ome_image(0, {"T": 4, "C": 2}, content))
    file = copied(write_pages(tmp_path / "ragged.ome.tif", noise(5, 32, 40), xml))
    assert file.header.warnings == ("5 of 8 planes are in the file",)
    np.testing.assert_array_equal(file.pixels, noise(5, 32, 40))
    data = _of_result(file.result)["Image"]["Pixels"]["TiffData"]
    assert [(each["FirstT"], each["FirstC"]) for each in data] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]


def test_pages_beyond_the_metadata_are_read_and_told(tmp_path: Path) -> None:
    xml = ome_document(ome_image(0, {"T": 3}))
    file = copied(write_pages(tmp_path / "long.ome.tif", noise(5, 32, 40), xml))
    assert (file.header.axes, file.header.planes) == ("TYX", 5)
    assert "metadata tell of 3 planes, but the file has 5" in file.header.warnings[0]
    np.testing.assert_array_equal(file.pixels, noise(5, 32, 40))


def test_pages_beyond_several_channels_become_an_image_of_their_own(tmp_path: Path) -> None:
    xml = ome_document(ome_image(0, {"T": 2, "C": 2}, CHANNELS + "<TiffData/>"))
    file = copied(write_pages(tmp_path / "long.ome.tif", noise(5, 32, 40), xml))
    assert file.header.planes == 5
    first, second = _of_result(file.result)["Image"]
    assert (first["Pixels"]["SizeT"], first["Pixels"]["SizeC"], second["Pixels"]["SizeT"]) == (2, 2, 1)


@pytest.mark.parametrize("part", [0, 1])
def test_a_file_of_a_set_has_its_own_planes_and_no_others_in_the_result(tmp_path: Path, part: int) -> None:
    ids = [f"urn:uuid:0000000{number}-0000-0000-0000-00000000000a" for number in range(2)]
    data = "".join(
        f'<TiffData IFD="{t % 3}" FirstT="{t}" PlaneCount="1"><UUID FileName="f{t // 3}.ome.tif">'
        f"{ids[t // 3]}</UUID></TiffData>"
        for t in range(6)
    )
    stage = "".join(f'<Plane TheZ="0" TheC="0" TheT="{t}" PositionX="{t}.5"/>' for t in range(6))
    attributes = {"PhysicalSizeX": "0.2", "PhysicalSizeY": "0.2", "PhysicalSizeZ": "0.7"}
    xml = ome_document(ome_image(0, {"T": 6}, DAPI + data + stage, **attributes), uuid=ids[part])
    file = copied(write_pages(tmp_path / "f.ome.tif", noise(3, 32, 40), xml))
    assert (file.header.axes, file.header.planes) == ("TYX", 3)
    assert file.header.channel_names == ("DAPI",)
    (warning,) = file.header.warnings
    assert warning.startswith(
        f"3 of 6 planes are in the file; the others are in f{1 - part}.ome.tif (pack all"
    )
    result = _of_result(file.result)
    pixels = result["Image"]["Pixels"]
    assert result["UUID"] not in ids
    assert pixels["TiffData"] == {"IFD": 0, "PlaneCount": 3}
    assert pixels["PhysicalSizeZ"] == 0.7
    assert [plane["PositionX"] for plane in pixels["Plane"]] == [part * 3 + t + 0.5 for t in range(3)]
    assert [plane["TheT"] for plane in pixels["Plane"]] == [0, 1, 2]


def test_positions_are_read_together_and_keep_their_names(tmp_path: Path) -> None:
    images = [ome_image(p, {"Z": 2}, f'<TiffData IFD="{2 * p}" PlaneCount="2"/>') for p in range(3)]
    file = copied(write_pages(tmp_path / "positions.ome.tif", noise(6, 32, 40), ome_document(*images)))
    assert (file.header.axes, file.header.shape) == ("PZYX", (3, 2, 32, 40))
    result = _of_result(file.result)["Image"]
    assert [image["Name"] for image in result] == ["well 0", "well 1", "well 2"]
    assert [image["Pixels"]["TiffData"]["IFD"] for image in result] == [0, 2, 4]


def test_planes_are_sorted_by_the_metadata_not_by_the_pages(tmp_path: Path) -> None:
    places = [(0, 0), (1, 0), (0, 1), (1, 1)]
    data = "".join(
        f'<TiffData IFD="{page}" FirstT="{t}" FirstZ="{z}"/>' for page, (t, z) in enumerate(places)
    )
    planes = noise(4, 32, 40)
    file = copied(
        write_pages(tmp_path / "order.ome.tif", planes, ome_document(ome_image(0, {"T": 2, "Z": 2}, data)))
    )
    np.testing.assert_array_equal(file.pixels, planes[[0, 2, 1, 3]])


def test_the_type_and_size_of_the_result_are_those_of_its_pixels(tmp_path: Path) -> None:
    """Cropped and converted by a program that kept the description."""
    xml = ome_document(ome_image(0, {}, SignificantBits="12")).replace("uint16", "uint8")
    file = copied(write_pages(tmp_path / "cropped.ome.tif", noise(1, 20, 24), xml))
    pixels = _of_result(file.result)["Image"]["Pixels"]
    assert (pixels["Type"], pixels["SizeX"], pixels["SizeY"]) == ("float", 24, 20)
    assert "SignificantBits" not in pixels


@pytest.mark.parametrize("content", ["<TiffData/>", DAPI + "<TiffData/>"], ids=["none", "one of two"])
def test_a_file_that_leaves_out_channels_tells_bits_times_and_optics(tmp_path: Path, content: str) -> None:
    plane = '<Plane TheZ="0" TheC="1" TheT="0" ExposureTime="0.25"/>'
    xml = ome_document(
        ome_image(0, {"T": 2, "C": 2}, content + plane, SignificantBits="12", TimeIncrement="3")
    )
    header = copied(write_pages(tmp_path / "a.ome.tif", noise(4, 32, 40), xml)).header
    assert [each.bit_depth for each in header.acquisition] == [12, 12]
    assert [each.exposure_s for each in header.acquisition] == [None, 0.25]
    assert (header.time_interval_s, header.channel_colours) == (3, ())


def test_broken_xml_is_told_and_not_copied(tmp_path: Path) -> None:
    xml = ome_document(ome_image(0, {"C": 2}, "<Channel><TiffData/>"))
    file = copied(write_pages(tmp_path / "broken.ome.tif", noise(2, 32, 40), xml))
    assert file.header.planes == 2
    assert "OME-XML of the file is broken" in file.header.warnings[0]
    with tifffile.TiffFile(file.result) as tiff:
        assert "OME" not in tiff.pages.first.description


def test_a_description_of_the_writer_beside_the_xml_hides_nothing(tmp_path: Path) -> None:
    sizes = {"PhysicalSizeX": "0.25", "PhysicalSizeY": "0.25"}
    xml = ome_document(ome_image(0, {"T": 3, "C": 2}, CHANNELS + "<TiffData/>", **sizes))
    source = tmp_path / "both.ome.tif"
    planes = noise(6, 32, 40).reshape(3, 2, 32, 40)
    tifffile.imwrite(
        source, planes, photometric="minisblack", ome=False, description=xml, metadata={"axes": "TCYX"}
    )
    header = copied(source).header
    assert (header.file_kind, header.axes, header.channel_names) == ("ome", "TCYX", ("DAPI", "GFP"))
    assert header.pixel_size_um is not None
    assert header.pixel_size_um.x_um == 0.25


def test_equal_results_are_equal_files(tmp_path: Path) -> None:
    source = write_pages(tmp_path / "s.ome.tif", noise(2, 32, 40), ome_document(ome_image(0, {"T": 2})))
    first = copied(source).result.read_bytes()
    assert copied(source).result.read_bytes() == first
    other = write_pages(
        tmp_path / "o.ome.tif", noise(2, 32, 40, seed=1), ome_document(ome_image(0, {"T": 2}))
    )
    copied(other)
    assert _of_result(tmp_path / "result.tif")["UUID"].encode() not in first


@pytest.mark.parametrize("size", ["-0.3", "nan", "0", "wide"])
def test_an_impossible_size_is_no_size(tmp_path: Path, size: str) -> None:
    xml = ome_document(ome_image(0, {}, PhysicalSizeX=size, PhysicalSizeY=size))
    assert copied(write_pages(tmp_path / "s.ome.tif", noise(1, 32, 40), xml)).header.pixel_size_um is None


def test_a_file_that_is_cut_within_its_metadata_is_refused(tmp_path: Path) -> None:
    path = write_pages(tmp_path / "cut.ome.tif", noise(1, 32, 40), ome_document(ome_image(0, {"Z": 5})))
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages.first.tags[270]
        text, place = tag.value.encode(), tag.valueoffset
        entry = tag.offset
    content = bytearray(path.read_bytes())
    content[entry + 8 : entry + 12] = len(content).to_bytes(4, "little")
    content[place : place + len(text)] = bytes(len(text))
    path.write_bytes(content + text + b"\0")
    with open_planes(path) as whole:
        assert whole.header.warnings == ("1 of 5 planes are in the file",)
    path.write_bytes(content + text[: len(text) // 2])
    with pytest.raises(
        ImageCorruptError, match=r"the metadata of page 1 should end at byte \d+, but the file ends"
    ):
        open_planes(path).__enter__()
