"""When acquisitions began: in the header, and kept in OME-TIFF results."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import tifffile

from models_store.image_files.acquisition_date import acquired_at, acquired_at_unix_s
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.opening import open_planes
from models_store.image_files.tiff.writer import write_planes
from tests.support.microscope_files import noise, ome_document, ome_image, write_pages
from tests.support.sif_files import write_sif
from tests.support.spe_files import write_spe


def _date_in(path: Path) -> str | None:
    with tifffile.TiffFile(path) as tiff:
        date = tifffile.xml2dict(tiff.ome_metadata or "")["OME"]["Image"].get("AcquisitionDate")
    return None if date is None else str(date)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("czi_CellDivision_T3_Z5_CH2_X240_Y170.czi", datetime(2016, 2, 12, 9, 41, 2, 491560, UTC)),
        ("lif_2channel_xz.lif", datetime(2021, 3, 4, 16, 39, 17, 951000, UTC)),
        ("nd2_cluster.nd2", datetime(2014, 6, 18, 13, 55, 23, 392000, UTC)),
        ("sif_image.sif", datetime(2009, 9, 30, 17, 1, 22, tzinfo=UTC)),
        ("spe_test_000.spe", datetime(2018, 7, 2, 9, 46, 15)),  # noqa: DTZ001  # the file tells no zone
        ("czi_Airyscan.czi", None),
    ],
)
def test_real_files_tell_when_they_were_acquired(
    reader: Reader, test_data: Path, name: str, expected: datetime | None
) -> None:
    series = 0 if name.startswith("lif") else None
    assert reader.open(test_data / "vendor" / name, series=series).header.acquired_at == expected


def test_made_files_tell_when_they_were_acquired(reader: Reader, tmp_path: Path) -> None:
    sif, spe = write_sif(tmp_path / "a.sif"), write_spe(tmp_path / "a.spe", noise(2, 20, 24))
    assert reader.open(sif).header.acquired_at == datetime.fromtimestamp(1254330082, UTC)
    assert reader.open(spe).header.acquired_at is None


def test_the_date_of_ome_xml_is_kept_in_results(tmp_path: Path) -> None:
    date = "2024-03-05T06:07:08"
    xml = ome_document(ome_image(0, {"T": 2}, "<TiffData/>")).replace(
        "<Pixels ", f"<AcquisitionDate>{date}</AcquisitionDate><Pixels ", 1
    )
    source, result = tmp_path / "a.ome.tif", tmp_path / "b.ome.tif"
    write_pages(source, noise(2, 32, 40), xml)
    with open_planes(source) as planes:
        assert planes.header.acquired_at == datetime.fromisoformat(date)
        write_planes(result, (plane.astype("f4") for plane in planes), like=planes)
    assert _date_in(result) == date


def test_the_date_of_a_vendor_s_file_is_kept_in_results(test_data: Path, tmp_path: Path) -> None:
    result = tmp_path / "result.ome.tif"
    with open_planes(test_data / "vendor" / "nd2_cluster.nd2") as planes:
        write_planes(result, (plane.astype("f4") for plane in planes), like=planes)
        expected = planes.header.acquired_at
    with open_planes(result) as again:
        assert again.header.acquired_at == expected


def test_micro_manager_tells_when_its_first_page_was_taken(reader: Reader, tmp_path: Path) -> None:
    page = {"Camera": "Cam", "ReceivedTime": "2019-11-26 18:43:49 -0800", "Axes": {"time": 0}}
    content = json.dumps(page).encode()
    path = tmp_path / "mm.tif"
    tags = [(51123, 2, len(content) + 1, content, True)]
    tifffile.imwrite(path, noise(1, 32, 40)[0], metadata=None, extratags=tags, photometric="minisblack")
    expected = datetime(2019, 11, 26, 18, 43, 49, tzinfo=timezone(timedelta(hours=-8)))
    assert reader.open(path).header.acquired_at == expected


def test_a_plain_tiff_tells_the_date_of_its_tag(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    when = datetime(2020, 1, 2, 3, 4, 5)  # noqa: DTZ001  # the tag has no zone
    tifffile.imwrite(path, noise(1, 32, 40)[0], datetime=when, metadata=None)
    assert reader.open(path).header.acquired_at == when


@pytest.mark.parametrize("told", ["yesterday", "", None, "2024-13-01", "0000-00-00"])
def test_what_is_no_date_is_left_out(told: object) -> None:
    assert acquired_at(told) is None


@pytest.mark.parametrize("seconds", [0, -1, "nan", 1e300])
def test_clocks_that_were_never_set_are_left_out(seconds: object) -> None:
    assert acquired_at_unix_s(seconds) is None
