"""Files of DigitalMicrograph (DM3, DM4) and Hamamatsu's programs (DCIMG): header, planes, refusals."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models_store.errors import ImageContentError, ImageUnsupportedError
from models_store.image_files.isolation.reader import Reader
from tests.support.dcimg_files import FRAMED, PACKED, write_dcimg
from tests.support.dm_files import write_dm
from tests.support.microscope_files import noise

NM = ("nm", "nm", "nm")
DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
EXPOSED: list[tuple[str, Any]] = [("High Level", [("Exposure (s)", ("d", 0.5))])]
TAGS: list[tuple[str, Any]] = [
    ("Acquisition", [("Device", [("Name", "OneView")]), ("Parameters", EXPOSED)]),
    ("DataBar", [("Acquisition Time (OS)", ("d", 132_430_000_000_000_000.0))]),
]


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_dm_is_read_as_ncempy_reads_it(reader: Reader, tmp_path: Path, version: int, dtype: str) -> None:
    pixels = (noise(5, 20, 24) // 40).astype(dtype)
    path = write_dm(tmp_path / f"a.dm{version}", pixels, (0.5, 0.25, 2), NM, version=version, tags=TAGS)
    planes = reader.open(path)
    header = planes.header
    assert (header.file_kind, header.axes, header.shape, header.dtype) == ("dm", "ZYX", (5, 20, 24), dtype)
    size, (acquisition,) = header.pixel_size_um, header.acquisition
    assert size is not None
    assert (size.x_um, size.y_um, size.z_um) == pytest.approx((0.0005, 0.00025, 0.002))
    assert (acquisition.camera, acquisition.exposure_s, header.channel_names) == ("OneView", 0.5, ())
    assert str(header.acquired_at) == "2020-08-27 11:06:40+00:00"
    read = np.stack([*planes])
    np.testing.assert_array_equal(read, pixels)
    dm = pytest.importorskip("ncempy.io.dm")
    other = dm.dmReader(str(path))
    np.testing.assert_array_equal(other["data"], read)
    assert [*other["pixelSize"]] == pytest.approx([2, 0.25, 0.5])


@pytest.mark.parametrize(("unit", "axes"), [("nm", "ZYX"), ("s", "TYX"), ("", "TYX")])
def test_a_series_of_dm_is_one_of_depths_if_its_unit_is_a_length(
    reader: Reader, tmp_path: Path, unit: str, axes: str
) -> None:
    path = write_dm(tmp_path / "a.dm4", noise(5, 20, 24), (1, 1, 1), ("nm", "nm", unit))
    assert reader.open(path).header.axes == axes


def test_a_diffraction_pattern_has_no_size_of_pixels(reader: Reader, tmp_path: Path) -> None:
    path = write_dm(tmp_path / "a.dm4", noise(20, 24), (0.1, 0.1), ("1/nm", "1/nm"))
    assert reader.open(path).header.pixel_size_um is None


def test_a_spectrum_image_and_complex_pixels_are_refused(reader: Reader, tmp_path: Path) -> None:
    spectra = write_dm(tmp_path / "spectra.dm4", noise(50, 20, 24), (1, 1, 0.25), ("nm", "nm", "eV"))
    with pytest.raises(ImageUnsupportedError, match="each pixel holds a spectrum"):
        reader.open(spectra)
    fourier = write_dm(tmp_path / "fourier.dm3", noise(20, 24).astype("complex64"), version=3)
    with pytest.raises(ImageUnsupportedError, match="type complex"):
        reader.open(fourier)


@pytest.mark.parametrize("version", [PACKED, FRAMED])
@pytest.mark.parametrize("marked_row", [None, 0, 7])
def test_the_pixels_that_a_camera_marks_have_their_true_values(
    reader: Reader, tmp_path: Path, version: int, marked_row: int | None
) -> None:
    pixels = noise(5, 20, 24)
    path = write_dcimg(tmp_path / "a.dcimg", pixels, version, marked_row)
    planes = reader.open(path)
    header = planes.header
    assert (header.file_kind, header.axes, header.shape) == ("dcimg", "TYX", (5, 20, 24))
    assert (header.pixel_size_um, header.dtype) == (None, "uint16")
    assert header.time_interval_s == pytest.approx(0.05, rel=1e-6)
    assert str(header.acquired_at) == "2020-09-13 12:26:40+00:00"
    np.testing.assert_array_equal(np.stack([*planes]), pixels)
    assert (b"\0\0\xff\xff" * 2 in path.read_bytes()) == (marked_row is not None)


def test_a_dcimg_tells_its_camera(reader: Reader, tmp_path: Path) -> None:
    (told,) = reader.open(write_dcimg(tmp_path / "a.dcimg", noise(5, 20, 24))).header.acquisition
    assert (told.camera, told.serial, told.binning) == ("C11440-22C", "00123E4", "2x2")


def test_a_dcimg_of_another_version_is_refused(reader: Reader, tmp_path: Path) -> None:
    path = write_dcimg(tmp_path / "a.dcimg", noise(5, 20, 24))
    content = bytearray(path.read_bytes())
    content[8] = 9
    path.write_bytes(content)
    with pytest.raises(ImageUnsupportedError, match="version 0x1000009"):
        reader.open(path)


def test_what_only_begins_like_dm_is_refused(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.dm4"
    path.write_bytes(b"\0\0\0\x04" + bytes(11) + b"\1" + bytes(100))
    with pytest.raises(ImageContentError, match="holds no image"):
        reader.open(path)
