"""SPE files of Princeton Instruments, against imageio's reader."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from models_store.errors import (
    ImageCorruptError,
    ImageError,
    ImageSeriesError,
    ImageTooLargeError,
    ImageUnsupportedError,
)
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reader import Reader
from tests.support.microscope_files import noise
from tests.support.spe_files import SPE_TYPES, Fields, write_spe, write_spe3


def spe(path: Path, dtype: str = "uint16", frames: int = 3, changed: Fields | None = None) -> Path:
    return write_spe(path, noise(3, 20, 24, dtype=dtype), frames, changed)


@pytest.mark.parametrize("dtype", SPE_TYPES)
def test_frames_equal_those_of_another_reader(reader: Reader, tmp_path: Path, dtype: str) -> None:
    iio = pytest.importorskip("imageio.v3")
    path = spe(tmp_path / "a.spe", dtype)
    planes = reader.open(path)
    assert (planes.header.file_kind, planes.header.axes, planes.header.dtype) == ("spe", "TYX", dtype)
    (settings,) = planes.header.acquisition
    assert settings.exposure_s == pytest.approx(0.05)
    assert (settings.binning, settings.region_height) == ("2x2", 20)
    with iio.imopen(path, "r", plugin="SPE") as file:
        np.testing.assert_array_equal(np.stack([*planes]), file.read(index=...))


def test_a_real_file_equals_that_of_another_reader(reader: Reader, test_data: Path) -> None:
    iio = pytest.importorskip("imageio.v3")
    path = test_data / "vendor" / "spe_test_000.spe"
    planes = reader.open(path)
    assert (planes.header.shape, planes.header.dtype) == ((2, 32, 32), "uint16")
    with iio.imopen(path, "r", plugin="SPE") as file:
        np.testing.assert_array_equal(np.stack([planes[1], planes[0]])[::-1], file.read(index=...))


def test_frames_that_are_missing_are_told(reader: Reader, tmp_path: Path) -> None:
    planes = reader.open(spe(tmp_path / "a.spe", frames=10))
    assert (planes.header.shape, planes.header.warnings) == ((3, 20, 24), ("3 of 10 planes are in the file",))


@pytest.mark.parametrize("size_bytes", [3000, 4100, 4600])
def test_a_file_without_a_complete_frame_is_refused(reader: Reader, tmp_path: Path, size_bytes: int) -> None:
    content = spe(tmp_path / "a.spe").read_bytes()
    (tmp_path / "a.spe").write_bytes(content[:size_bytes])
    with pytest.raises(ImageCorruptError, match="ends within its"):
        reader.open(tmp_path / "a.spe")


@pytest.mark.parametrize(
    ("changed", "error", "reason"),
    [
        ({"version": ("f", 1992, 3.0)}, ImageCorruptError, "lacks the XML at its end"),
        ({"regions": ("h", 1510, 2)}, ImageUnsupportedError, "several regions"),
        ({"type": ("h", 108, 77)}, ImageCorruptError, "no type of pixels 77"),
        ({"count": ("i", 1446, -5)}, ImageError, "no pixels"),
        ({"width": ("H", 42, 65535)}, ImageCorruptError, "within its first frame"),
    ],
)
def test_lying_headers_are_refused(
    reader: Reader,
    tmp_path: Path,
    changed: Fields,
    error: type[ImageError],
    reason: str,
) -> None:
    with pytest.raises(error, match=reason):
        reader.open(spe(tmp_path / "a.spe", changed=changed))


def test_a_file_cut_in_half_is_refused(reader: Reader, tmp_path: Path) -> None:
    content = spe(tmp_path / "a.spe").read_bytes()
    (tmp_path / "a.spe").write_bytes(content[: 4100 + (len(content) - 4100) // 2])
    with pytest.raises(ImageCorruptError, match="not that of whole frames"):
        reader.open(tmp_path / "a.spe")


def test_a_flipped_bit_of_a_header_field_changes_no_pixel(isolation: Isolation, tmp_path: Path) -> None:
    content = spe(tmp_path / "a.spe").read_bytes()
    path = tmp_path / "flipped.spe"
    outcomes = {"read": 0, "refused": 0}
    fields = [*range(42, 44), *range(108, 110), *range(656, 658), *range(1446, 1450), *range(1510, 1512)]
    with isolation.reader() as reader:
        for at, bit in product((*fields, *range(1992, 1996), *range(2996, 3000)), range(8)):
            flipped = bytearray(content)
            flipped[at] ^= 1 << bit
            path.write_bytes(flipped)
            try:
                read = np.stack([*reader.open(path)])
            except (ImageError, ImageTooLargeError):
                outcomes["refused"] += 1
                continue
            outcomes["read"] += 1
            np.testing.assert_array_equal(read, noise(3, 20, 24))
    assert min(outcomes.values()) > 0


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "float32"])
@pytest.mark.parametrize("tail_bytes", [0, 16])
def test_version_3_is_read_as_its_xml_tells(
    reader: Reader, tmp_path: Path, dtype: str, tail_bytes: int
) -> None:
    pixels = noise(3, 20, 24, dtype=dtype)
    planes = reader.open(write_spe3(tmp_path / "a.spe", [pixels], tail_bytes))
    np.testing.assert_array_equal(np.stack([planes[2], planes[0], planes[1]]), pixels[[2, 0, 1]])
    header = planes.header
    assert (header.file_kind, header.axes, header.shape) == ("spe", "TYX", (3, 20, 24))
    (settings,) = header.acquisition
    assert (settings.camera, settings.serial, settings.binning) == ("PIXIS: 1024BR", "0123456789", "2x2")
    assert settings.exposure_s == pytest.approx(0.05)
    assert settings.readout_mode == "2 MHz"
    assert header.acquired_at is not None
    assert header.acquired_at.year == 2019


def test_regions_of_version_3_are_series(reader: Reader, tmp_path: Path) -> None:
    regions = [noise(3, 20, 24), noise(3, 40, 32) + 7, noise(3, 4, 32)]
    path = write_spe3(tmp_path / "a.spe", regions)
    listed = reader.list_images(path)
    assert [each.shape for each in listed.entries] == [(3, 20, 24), (3, 40, 32), (3, 4, 32)]
    assert "32 x 4 pixels" in str(listed.entries[2].unusable)
    for number in (0, 1):
        np.testing.assert_array_equal(np.stack([*reader.open(path, series=number)]), regions[number])
    with pytest.raises(ImageSeriesError, match="name one of the file's images"):
        reader.open(path)
    with pytest.raises(ImageSeriesError, match="there is no series 3"):
        reader.open(path, series=3)


@pytest.mark.parametrize(
    ("replaced", "error", "reason"),
    [
        (('count="3"', 'count="4"'), ImageCorruptError, "has not the size of 4 frames"),
        (('stride="976"', 'stride="900"'), ImageCorruptError, "larger than their frame"),
        (('width="24"', 'width="240"'), ImageCorruptError, "smaller than its pixels"),
        (('height="20"', 'height="-1"'), ImageCorruptError, "height is -1"),
        (("Unsigned16", "Signed64"), ImageUnsupportedError, "MonochromeSigned64"),
        (('type="Frame"', 'type="Spectrum"'), ImageUnsupportedError, "tells of no frames"),
        (("</SpeFormat>", ""), ImageCorruptError, "cut or damaged"),
    ],
)
def test_xml_of_version_3_that_does_not_fit_is_refused(
    reader: Reader, tmp_path: Path, replaced: tuple[str, str], error: type[ImageError], reason: str
) -> None:
    path = write_spe3(tmp_path / "a.spe", [noise(3, 20, 24)], replaced=replaced)
    with pytest.raises(error, match=reason):
        reader.open(path)


def test_version_3_cut_in_half_is_refused(reader: Reader, tmp_path: Path) -> None:
    path = write_spe3(tmp_path / "a.spe", [noise(3, 60, 64)])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageCorruptError, match="lacks the XML at its end"):
        reader.open(path)


def test_there_is_one_image(isolation: Isolation, tmp_path: Path) -> None:
    path = spe(tmp_path / "a.spe")
    with isolation.reader() as reader, pytest.raises(ImageSeriesError, match="holds one image"):
        reader.open(path, series=1)
