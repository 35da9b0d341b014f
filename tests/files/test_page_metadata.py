"""Times, names and positions of single pages survive, and so do a recording's settings."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.image_files.isolation.reader import Reader
from models_store.image_files.tiff.writer import write_planes
from tests.support.microscope_files import copied, noise

SETTINGS = (
    "SI.VERSION_MAJOR = '2021'\nSI.hChannels.channelSave = [1;3]\nSI.hRoiManager.scanFrameRate = 15.2\n"
    "SI.hStackManager.framesPerSlice = 5\nSI.hStackManager.numSlices = {slices}\nSI.hFastZ.enable = {fast}\n"
)


def _scanimage(path: Path, pages: int, slices: int = 1, fast: str = "false") -> Path:
    software = SETTINGS.format(slices=slices, fast=fast)
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for page, plane_yx in enumerate(noise(pages, 32, 40)):
            text = f"frameNumbers = {page // 2}\nframeTimestamps_sec = {page / 15.2:.6f}\n"
            values = plane_yx.astype("int16") - 150
            tiff.write(
                values,
                photometric="minisblack",
                description=text,
                software=software,
                metadata=None,
                contiguous=False,
            )
    return path


@pytest.mark.parametrize("dtype", ["float32", "same"])
def test_a_scanimage_recording_keeps_settings_and_times(tmp_path: Path, dtype: str) -> None:
    file = copied(_scanimage(tmp_path / "si.tif", 10), dtype="same" if dtype == "same" else "float32")
    assert (file.header.axes, file.header.shape, file.header.dtype) == ("TCYX", (5, 2, 32, 40), "int16")
    with tifffile.TiffFile(file.result) as tiff:
        assert tiff.is_bigtiff
        assert tiff.pages.first.software == SETTINGS.format(slices=1, fast="false").strip()
        texts = [page.aspage().description for page in tiff.pages]
        assert tiff.pages.first.dtype == np.dtype("int16" if dtype == "same" else "float32")
    assert [text.split("frameTimestamps_sec = ")[1].strip() for text in texts] == [
        f"{page / 15.2:.6f}" for page in range(10)
    ]


@pytest.mark.parametrize(
    ("fast", "axes", "shape"), [("true", "TZCYX", (5, 3, 2)), ("false", "ZTCYX", (3, 5, 2))]
)
def test_slices_of_a_scanimage_recording(
    tmp_path: Path, fast: str, axes: str, shape: tuple[int, ...]
) -> None:
    header = copied(_scanimage(tmp_path / "si.tif", 30, slices=3, fast=fast)).header
    assert (header.axes, header.shape[:-2]) == (axes, shape)


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        ("scanimage.SI4.channelsSave = [1;2]\nscanimage.SI4.acqNumFrames = {page}\n", "TCYX"),
        ("state.acq.savingChannel1=1\rstate.acq.savingChannel2=1\rstate.acq.savingChannel3=0\r", "TCYX"),
        ("state.acq.savingChannel1=1\r", "TYX"),
    ],
)
def test_older_scanimage_recordings_are_read_to_their_end(tmp_path: Path, text: str, axes: str) -> None:
    source = tmp_path / "old.tif"
    planes = noise(12, 32, 40)
    with tifffile.TiffWriter(source) as tiff:
        for page, plane_yx in enumerate(planes):
            description = text.format(page=page)
            tiff.write(
                plane_yx, photometric="minisblack", description=description, metadata=None, contiguous=False
            )
    file = copied(source)
    assert file.header.axes == axes
    np.testing.assert_array_equal(file.pixels, planes)


def test_each_page_keeps_its_description_time_name_and_position(reader: Reader, tmp_path: Path) -> None:
    source = tmp_path / "pages.tif"
    with tifffile.TiffWriter(source, byteorder=">") as tiff:
        for page, plane_yx in enumerate(noise(3, 32, 40)):
            tags = [
                (285, 2, 0, f"well {page}", False),
                (306, 2, 0, f"2024:05:06 07:08:0{page}", False),
                (286, 5, 1, (page + 1, 10), False),
            ]
            tiff.write(
                plane_yx,
                photometric="minisblack",
                description=f"exposure {page} µs".encode("latin-1"),
                extratags=tags,
                metadata=None,
                contiguous=False,
            )
    planes = reader.open(source)
    target = tmp_path / "isolated.tif"
    write_planes(target, planes, like=planes)
    for result in (target, copied(source).result):
        with tifffile.TiffFile(result) as tiff:
            pages = [page.aspage() for page in tiff.pages]
            assert [page.tags["PageName"].value for page in pages] == ["well 0", "well 1", "well 2"]
            assert [page.tags["DateTime"].value[-1] for page in pages] == ["0", "1", "2"]
            assert [page.tags["XPosition"].value for page in pages] == [(1, 10), (2, 10), (3, 10)]
            assert [page.description for page in pages] == [f"exposure {page} µs" for page in range(3)]


def test_a_long_plain_stack_stays_one_series(tmp_path: Path) -> None:
    source = tmp_path / "plain.tif"
    tifffile.imwrite(
        source, noise(12, 32, 40), photometric="minisblack", metadata=None, description="objective"
    )
    with tifffile.TiffFile(copied(source).result) as tiff:
        assert tiff.series[0].shape == (12, 32, 40)
        assert tiff.pages.first.description == "objective"


def test_times_of_micro_managers_pages_survive(test_data: Path, tmp_path: Path) -> None:
    original = test_data / "formats/ndtiff_v3_12bit_mda/12_bit_pycromanager_mda_NDTiffStack.tif"
    source = tmp_path / "stack.tif"
    source.write_bytes(original.read_bytes())
    with tifffile.TiffFile(original) as before, tifffile.TiffFile(copied(source).result) as after:
        times = [page.aspage().tags[51123].value["ElapsedTime-ms"] for page in before.pages]
        pixels = tifffile.xml2dict(after.ome_metadata or "")["OME"]["Image"]["Pixels"]
    assert [plane["DeltaT"] for plane in pixels["Plane"]] == times
    assert {plane["DeltaTUnit"] for plane in pixels["Plane"]} == {"ms"}


def test_descriptions_too_long_to_be_kept_are_told(tmp_path: Path) -> None:
    source = tmp_path / "long.tif"
    with tifffile.TiffWriter(source) as tiff:
        for plane_yx in noise(70, 16, 16):
            description = "x" * 2**20
            tiff.write(
                plane_yx, photometric="minisblack", description=description, metadata=None, contiguous=False
            )
    file = copied(source)
    assert file.header.warnings == (
        "the descriptions of the 70 single pages are too long to be kept in the result",
    )
