"""SIF files of Andor, against sif_parser; files made here for what the real one has not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from models_store.errors import ImageCorruptError, ImageError, ImageSeriesError, ImageUnsupportedError
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.opening import open_planes
from models_store.image_files.tiff.writer import write_planes
from tests.support.microscope_files import noise
from tests.support.sif_files import sif, write_sif

sif_parser = pytest.importorskip("sif_parser")

FRAMES = noise(3, 20, 24, dtype="float32")
OTHERS = "the file also holds a background or another reference image, which is not read"


def test_a_real_file_equals_that_of_another_reader(reader: Reader, test_data: Path) -> None:
    path = test_data / "vendor" / "sif_image.sif"
    header = reader.open(path).header
    assert (header.file_kind, header.axes, header.shape) == ("sif", "YX", (512, 512))
    assert header.dtype == "float32"
    (settings,) = header.acquisition
    assert (settings.camera, settings.serial, settings.readout_mode) == ("DU897_BV", "3425", "10 MHz")
    assert (settings.gain, settings.em_gain, settings.binning) == ("5.1", 1000, "1x1")
    assert settings.region_height == 512
    assert (settings.exposure_s, settings.temperature_c) == (1, -100)
    assert header.warnings == (OTHERS,)
    expected, _ = sif_parser.np_open(str(path))
    np.testing.assert_array_equal(reader.open(path)[0], expected[0])


@pytest.mark.parametrize("ending", ["", "0\n", "1\n0\n12\n24\n"], ids=["plain", "zero", "times twice"])
def test_frames_of_any_version_equal_those_of_another_reader(
    reader: Reader, tmp_path: Path, ending: str
) -> None:
    version = 65567 if ending.startswith("1") else 65559
    path = write_sif(tmp_path / "a.sif", ending=ending, version=version)
    planes = reader.open(path)
    assert (planes.header.axes, planes.header.shape) == ("TYX", (3, 20, 24))
    assert planes.header.time_interval_s == pytest.approx(0.05)
    assert planes.header.warnings == ()
    expected, _ = sif_parser.np_open(str(path))
    np.testing.assert_array_equal(np.stack([planes[2], planes[0], planes[1]]), expected[[2, 0, 1]])


def test_the_gain_of_an_amplifier_that_does_not_multiply_is_not_told(reader: Reader, tmp_path: Path) -> None:
    (settings,) = reader.open(write_sif(tmp_path / "a.sif", amplifier=1)).header.acquisition
    assert (settings.em_gain, settings.gain, settings.binning) == (None, "5.1", "2x4")
    assert settings.region_height == 20


def test_the_result_is_an_ome_tiff(tmp_path: Path) -> None:
    result = tmp_path / "result.ome.tif"
    with open_planes(write_sif(tmp_path / "a.sif")) as planes:
        write_planes(result, planes, like=planes)
    with tifffile.TiffFile(result) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("TYX", (3, 20, 24))
        assert 'TimeIncrement="0.05"' in (tiff.ome_metadata or "")


def test_a_file_cut_anywhere_is_refused(isolation: Isolation, tmp_path: Path) -> None:
    content = sif(FRAMES)
    path = tmp_path / "a.sif"
    for size_bytes in (40, 150, 300, 2500, len(content) // 2, len(content) - 5000, len(content) - 9):
        path.write_bytes(content[:size_bytes])
        with isolation.reader() as reader, pytest.raises(ImageCorruptError, match="copy it again"):
            reader.open(path)


def test_half_of_the_real_file_is_refused(reader: Reader, test_data: Path, tmp_path: Path) -> None:
    content = (test_data / "vendor" / "sif_image.sif").read_bytes()
    (tmp_path / "a.sif").write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageCorruptError, match="ends within its"):
        reader.open(tmp_path / "a.sif")


@pytest.mark.parametrize(
    ("changed", "error", "reason"),
    [
        ({"regions": 2}, ImageUnsupportedError, "2 regions of the sensor"),
        ({"frames": 400_000_000, "total_px": 480 * 400_000_000}, ImageCorruptError, "ends within its"),
        ({"frames": 4}, ImageCorruptError, "are not 1440 pixels"),
        ({"right": 999_999_999}, ImageCorruptError, "are not 1440 pixels"),
        ({"bin_x": 0}, ImageCorruptError, "header is broken"),
        ({"frames": 0, "total_px": 0}, ImageError, "header is broken"),
    ],
)
def test_lying_headers_are_refused(
    reader: Reader, tmp_path: Path, changed: Mapping[str, int], error: type[ImageError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        reader.open(write_sif(tmp_path / "a.sif", FRAMES, "", **changed))


def test_a_flipped_byte_of_the_header_changes_no_pixel(isolation: Isolation, tmp_path: Path) -> None:
    content = sif(FRAMES)
    path = tmp_path / "a.sif"
    expected = np.stack([*_planes(path, content)])
    rng = np.random.default_rng(0)
    start_bytes = content.index(b"65539 ")
    with isolation.reader() as reader:
        for at in rng.integers(start_bytes, len(content) - expected.nbytes - 10, 25):
            flipped = bytearray(content)
            flipped[at] ^= 1 << int(rng.integers(8))
            path.write_bytes(flipped)
            try:
                read = np.stack([*reader.open(path)])
            except ImageError:
                continue
            np.testing.assert_array_equal(read, expected)


def _planes(path: Path, content: bytes) -> list[NDArray[Any]]:
    path.write_bytes(content)
    with open_planes(path) as planes:
        return [*planes]


def test_there_is_one_image(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(ImageSeriesError, match="only the signal"):
        reader.open(write_sif(tmp_path / "a.sif"), series=1)
