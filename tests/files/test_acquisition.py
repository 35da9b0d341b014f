"""Settings of detectors, colours and times that files tell: in the header, and kept in the result."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from models_store.image_files.acquisition import Acquisition
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.opening import open_planes
from models_store.image_files.optics import Optics
from models_store.image_files.setting_values import amount, binning, bits, text
from models_store.image_files.tiff.writer import write_planes
from tests.support.microscope_files import noise, ome_document, ome_image, write_pages

CAMERA = (
    '<Instrument ID="Instrument:0"><Detector ID="Detector:0" Manufacturer="Hamamatsu" Model="ORCA-Flash4.0" '
    'SerialNumber="000120" AmplificationGain="2.50"/></Instrument>'
)
SETTINGS = (
    '<Channel ID="Channel:0:0" Name="DAPI" Color="65535" AcquisitionMode="WideField">'
    '<DetectorSettings ID="Detector:0" Gain="1e1" Offset="100" Binning="2x2" ReadOutRate="200"/></Channel>'
    '<Channel ID="Channel:0:1" Name="GFP" Color="16711935"/>'
)


def _told(acquisition: Acquisition) -> dict[str, Any]:
    return acquisition.model_dump(exclude_none=True)


def _planes(*channels_and_times: tuple[int, int]) -> str:
    return "".join(
        f'<Plane TheZ="0" TheC="{c}" TheT="{t}" DeltaT="{2 * t}" ExposureTime="{50 * (c + 1)}" '
        'ExposureTimeUnit="ms"/>'
        for c, t in channels_and_times
    )


def test_ome_xml_tells_detector_settings_colours_and_times(reader: Reader, tmp_path: Path) -> None:
    content = SETTINGS + "<TiffData/>" + _planes((0, 0), (1, 0), (0, 1), (1, 1))
    xml = ome_document(CAMERA + ome_image(0, {"T": 2, "C": 2}, content))
    header = reader.open(write_pages(tmp_path / "a.ome.tif", noise(4, 32, 40), xml)).header
    first, second = header.acquisition
    assert _told(first) == {
        "camera": "Hamamatsu ORCA-Flash4.0",
        "serial": "000120",
        "readout_mode": "200 MHz",
        "gain": "10, amplifier 2.5",
        "binning": "2x2",
        "offset": 100,
        "exposure_s": 0.05,
        "modality": "WideField",
    }
    assert _told(second) == {"exposure_s": 0.1}
    assert header.channel_colours == ("#0000FF", "#00FF00")
    assert header.time_interval_s == 2


def test_ome_xml_tells_the_optics_of_each_channel(reader: Reader, tmp_path: Path) -> None:
    objective = (
        '<Instrument ID="Instrument:0"><Objective ID="Objective:0" LensNA="0.8" Immersion="Air"/>'
        '<Objective ID="Objective:1" LensNA="1.2" Immersion="Water"/></Instrument>'
    )
    channels = (
        '<Channel ID="Channel:0:0" EmissionWavelength="0.461" EmissionWavelengthUnit="µm"/>'
        '<Channel ID="Channel:0:1" EmissionWavelength="509"/><TiffData/>'
    )
    image = ome_image(0, {"T": 2, "C": 2}, channels)
    uses = image.replace("<Pixels ", '<ObjectiveSettings ID="Objective:1"/><Pixels ', 1)
    measured = uses.replace('ID="Objective:1"/><P', 'ID="Objective:1" RefractiveIndex="1.34"/><P', 1)
    found = []
    for number, each in enumerate((uses, measured, image)):
        path = write_pages(tmp_path / f"{number}.ome.tif", noise(4, 32, 40), ome_document(objective + each))
        found.append(reader.open(path).header.optics)
    blue, green = (
        Optics(numerical_aperture=1.2, refractive_index=1.33, emission_nm=nm, immersion="Water")
        for nm in (461, 509)
    )
    assert found[0] == (blue, green)
    assert [each.refractive_index for each in found[1]] == [1.34, 1.34]
    assert found[2] == ()


@pytest.mark.parametrize(
    ("name", "aperture", "index", "emissions_nm"),
    [
        ("czi_CellDivision_T3_Z5_CH2_X240_Y170.czi", 1.2, 1.33, [568, 517]),
        ("nd2_cluster.nd2", 0.95, 1.0, [525, 700]),
    ],
)
def test_vendors_files_tell_the_optics(
    name: str,
    aperture: float,
    index: float | None,
    emissions_nm: list[float],
    test_data: Path,
    reader: Reader,
) -> None:
    optics = reader.open(test_data / "vendor" / name).header.optics
    assert [each.emission_nm for each in optics] == emissions_nm
    assert {(each.numerical_aperture, each.refractive_index) for each in optics} == {(aperture, index)}


def test_a_file_that_tells_nothing_has_no_settings(reader: Reader, noisy_tiff: Path) -> None:
    header = reader.open(noisy_tiff).header
    assert (header.acquisition, header.channel_colours, header.time_interval_s) == ((), (), None)


@pytest.mark.parametrize("size", ["-0.1", "0", "nan"])
def test_a_size_that_cannot_be_is_told_and_left_out(tmp_path: Path, size: str) -> None:
    xml = ome_document(ome_image(0, {"T": 2}, "<TiffData/>")).replace(
        "<Pixels ", f'<Pixels PhysicalSizeX="{size}" PhysicalSizeXUnit="µm" PhysicalSizeY="0.2" ', 1
    )
    source, result = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    write_pages(source, noise(2, 32, 40), xml)
    with open_planes(source) as planes:
        assert planes.header.pixel_size_um is None
        assert any(f"PhysicalSizeX '{size}'" in told for told in planes.header.warnings)
        write_planes(result, (plane.astype("f4") for plane in planes), like=planes)
    with tifffile.TiffFile(result) as tiff:
        assert "PhysicalSizeX" not in (tiff.ome_metadata or "")
        assert 'PhysicalSizeY="0.2"' in (tiff.ome_metadata or "")


def _micro_manager(label: str, camera_id: str, gain: str, **page: object) -> dict[str, object]:
    own = {"CameraID": camera_id, "CameraName": "C11440-22C", "ScanMode": "2", "Gain": gain, "Binning": "1x1"}
    return {"Camera": label, "BitDepth": 16, "Exposure-ms": 20.0, **page} | {
        f"{label}-{name}": value for name, value in own.items()
    }


def test_micro_manager_tells_the_camera_of_each_channel(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "mm.tif"
    pages = [
        _micro_manager("Cam A", "S/N: 0042", "1", Axes={"channel": "DAPI"}, ROI="0-896-2048-256"),
        _micro_manager("Cam B", "S/N: 0043", "4", Axes={"channel": "GFP"}, Binning="2", ROI="all"),
    ]
    with tifffile.TiffWriter(path) as tiff:
        for plane_yx, page in zip(noise(2, 32, 40), pages, strict=True):
            content = json.dumps(page).encode()
            tags = [(51123, 2, len(content) + 1, content, True)]
            tiff.write(plane_yx, contiguous=False, metadata=None, extratags=tags, photometric="minisblack")
    header = reader.open(path).header
    assert (header.axes, header.channel_names) == ("CYX", ("DAPI", "GFP"))
    first, second = header.acquisition
    assert _told(first) == {
        "camera": "C11440-22C",
        "serial": "S/N: 0042",
        "readout_mode": "2",
        "gain": "1",
        "binning": "1x1",
        "bit_depth": 16,
        "region_height": 256,
        "exposure_s": 0.02,
    }
    assert (second.serial, second.gain, second.binning) == ("S/N: 0043", "4", "2x2")
    assert second.region_height is None


@pytest.mark.parametrize(
    ("name", "series", "channel", "expected"),
    [
        (
            "czi_CellDivision_T3_Z5_CH2_X240_Y170.czi",
            None,
            1,
            {
                "camera": "Axiocam506m",
                "binning": "1x1",
                "region_height": 2208,
                "exposure_s": 0.2,
                "bit_depth": 14,
            },
        ),
        (
            "czi_WellD6-7_S2.czi",
            1,
            0,
            {
                "camera": "TestCam",
                "em_gain": 50,
                "binning": "1x1",
                "region_height": 440,
                "bit_depth": 14,
                "exposure_s": 0.15,
            },
        ),
        (
            "czi_Airyscan.czi",
            None,
            0,
            {"camera": "Airyscan", "gain": "720, digital 1.4, amplifier 1.4", "binning": "1x1", "offset": 0},
        ),
        ("nd2_cluster.nd2", None, 0, {"camera": "Nikon A1plus", "serial": "Nikon_A1_New", "bit_depth": 12}),
        (
            "lif_2channel_xz.lif",
            2,
            1,
            {"camera": "HyD 3", "gain": "105.842", "readout_mode": "PhotonIntegration", "bit_depth": 8},
        ),
    ],
)
def test_files_of_vendors_tell_their_detectors(
    reader: Reader, test_data: Path, name: str, series: int | None, channel: int, expected: dict[str, Any]
) -> None:
    header = reader.open(test_data / "vendor" / name, series=series).header
    told = _told(header.acquisition[channel])
    for recorded in ("exposure_s", "objective", "modality"):
        if recorded not in expected:
            told.pop(recorded, None)
    if "offset" not in expected:
        told.pop("offset", None)
    if "bit_depth" not in expected:
        told.pop("bit_depth", None)
    assert told == pytest.approx(expected)


def test_the_region_of_a_camera_in_an_nd2_is_that_of_its_captures(
    reader: Reader, test_data: Path, tmp_path: Path
) -> None:
    content = (test_data / "vendor" / "nd2_cluster.nd2").read_bytes()
    # An entry of the tree: type, characters of the name with the last, which is 0, the name, the value.
    top, bottom = (
        struct.pack("<BB", 2, len(name) + 1) + f"{name}\0".encode("utf-16-le") for name in ("top", "bottom")
    )
    for times, rows in ((1, None), (2, 256)):
        changed = content
        at = 0
        for _ in range(times):
            # The settings of live pictures come first, those of captures second.
            at = changed.index("rectSensorUser\0".encode("utf-16-le"), at) + 1
            for name, value in ((top, 896), (bottom, 1152)):
                value_at = changed.index(name, at) + len(name)
                changed = changed[:value_at] + struct.pack("<i", value) + changed[value_at + 4 :]
        path = tmp_path / f"{times}.nd2"
        path.write_bytes(changed)
        assert {each.region_height for each in reader.open(path).header.acquisition} == {rows}


def test_cameras_of_one_model_with_other_regions_tell_none(test_data: Path, tmp_path: Path) -> None:
    content = (test_data / "vendor" / "czi_CellDivision_T3_Z5_CH2_X240_Y170.czi").read_bytes()
    path = tmp_path / "alike.czi"
    for name in (b'Model="%s"', b"<Model>%s</Model>"):
        own = name % b"Axiocam506m"
        content = content.replace(own, (name % b"AxioCamELm").ljust(len(own)))
    path.write_bytes(content)
    with open_planes(path) as planes:
        assert {(each.camera, each.region_height) for each in planes.header.acquisition} == {
            ("AxioCamELm", None)
        }


def test_a_name_in_a_czi_that_looks_like_a_number_stays_a_text(test_data: Path, tmp_path: Path) -> None:
    content = (test_data / "vendor" / "czi_CellDivision_T3_Z5_CH2_X240_Y170.czi").read_bytes()
    element = b"<Model>Axiocam506m</Model>"
    path = tmp_path / "numbered.czi"
    path.write_bytes(content.replace(element, b"<Model>0012.50</Model>".ljust(len(element))))
    with open_planes(path) as planes:
        assert {each.camera for each in planes.header.acquisition} == {"0012.50"}


def test_results_of_a_czi_keep_times_and_exposures(test_data: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.ome.tif"
    with open_planes(test_data / "vendor" / "czi_CellDivision_T3_Z5_CH2_X240_Y170.czi") as planes:
        write_planes(result, (plane.astype("f4") for plane in planes), like=planes)
        before = planes.header
    with open_planes(result) as again:
        after = again.header
    assert after.time_interval_s == pytest.approx(before.time_interval_s)
    assert after.channel_colours == before.channel_colours
    assert [each.exposure_s for each in after.acquisition] == [0.1, 0.2]
    with tifffile.TiffFile(result) as tiff:
        pixels = tifffile.xml2dict(tiff.ome_metadata or "")["OME"]["Image"]["Pixels"]
    last = {(each["TheC"], each["TheT"]): each["DeltaT"] for each in pixels["Plane"]}
    assert last[1, 2] == pytest.approx(480.4104779 - 360.4196148)


def test_results_of_a_scene_keep_its_place(test_data: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.ome.tif"
    with open_planes(test_data / "vendor" / "czi_WellD6-7_S2.czi", series=1) as planes:
        write_planes(result, (plane.astype("f4") for plane in planes), like=planes)
    with tifffile.TiffFile(result) as tiff:
        plane = tifffile.xml2dict(tiff.ome_metadata or "")["OME"]["Image"]["Pixels"]["Plane"]
    assert (plane["PositionX"], plane["PositionY"], plane["PositionXUnit"]) == (58500, 35500, "µm")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2x2", "2x2"),
        ("2,2", "2x2"),
        ("2", "2x2"),
        (2.0, "2x2"),
        ("1X4", "1x4"),
        ("-1x-1", None),
        ("0", None),
    ],
)
def test_binning_is_read_however_it_is_written(written: object, read: str | None) -> None:
    assert binning(written) == read


def test_values_that_say_nothing_are_missing() -> None:
    assert [text(value) for value in ("", " None ", "N/A", None, True)] == [None] * 5
    assert [bits(value) for value in (0, -1, 12.5, 1000, "14")] == [None, None, None, None, 14]
    shown = [amount(value) for value in ("1.3999999999999999", "HDR", "2.0", np.nan, -0.0, 12345678, "1_0")]
    assert shown == ["1.4", "HDR", "2", None, "0", "12345678", "1_0"]


@pytest.mark.parametrize("name", ["lif_2channel_xz.lif", "czi_WellD6-7_S2.czi"])
def test_the_list_of_images_tells_what_each_of_them_tells(reader: Reader, test_data: Path, name: str) -> None:
    path = test_data / "vendor" / name
    listed = reader.list_images(path).headers
    assert len(listed) > 1
    for header in listed:
        own = reader.open(path, series=header.series).header
        assert own.acquisition
        assert header == own.model_copy(update={"series_in_file": ()})
