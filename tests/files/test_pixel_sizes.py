"""Pixel sizes from resolution tags of any type and unit, and from the tags of microscopes' makers."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from models_store.image_files.header import PixelSize
from models_store.image_files.tiff.inspect import inspect_image
from tests.support.microscope_files import copied, noise
from tests.support.tiff_bytes import entries_of, layout_of

PER_CM = 25_000  # 0.4 µm


def _plain(path: Path, **options: Any) -> Path:
    tifffile.imwrite(path, noise(32, 40), photometric="minisblack", metadata=None, **options)
    return path


@pytest.mark.parametrize(
    ("unit", "per_unit", "expected_um"),
    [
        ("CENTIMETER", 25_000, 0.4),
        ("MILLIMETER", 2_500, 0.4),
        ("MICROMETER", 2.5, 0.4),
        ("INCH", 63_500, 0.4),
        ("INCH", 300, None),
        ("NONE", 2.5, None),
    ],
)
def test_units_of_resolution(tmp_path: Path, unit: str, per_unit: float, expected_um: float | None) -> None:
    path = _plain(tmp_path / "a.tif", resolution=(per_unit, per_unit), resolutionunit=unit)
    assert _x_um(copied(path).header.pixel_size_um) == pytest.approx(expected_um)


def _x_um(size: PixelSize | None) -> float | None:
    return size.x_um if size else None


def _retyped(path: Path, kind: int, value: bytes) -> Path:
    """Change the resolution tags to another type, with the value behind the file if it is long."""
    content = bytearray(_plain(path, resolution=(PER_CM, PER_CM), resolutionunit="CENTIMETER").read_bytes())
    layout = layout_of(content)
    assert layout is not None
    for entry in entries_of(content):
        if struct.unpack_from("<H", content, entry)[0] in {282, 283}:
            struct.pack_into("<HI", content, entry + 2, kind, 1)
            if len(value) > 4:
                struct.pack_into("<I", content, entry + 8, len(content))
                content += value
            else:
                content[entry + 8 : entry + 12] = value.ljust(4, b"\0")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("kind", "value", "expected_um"),
    [
        (12, struct.pack("<d", PER_CM), 0.4),
        (11, struct.pack("<f", PER_CM), 0.4),
        (4, struct.pack("<I", PER_CM), 0.4),
        (3, struct.pack("<H", PER_CM), 0.4),
        (10, struct.pack("<ii", PER_CM, 1), 0.4),
        (10, struct.pack("<ii", -PER_CM, 1), None),
        (5, struct.pack("<II", PER_CM, 0), None),
        (12, struct.pack("<d", np.nan), None),
        (12, struct.pack("<d", 1e300), None),
        (2, b"250", None),
    ],
)
def test_types_of_resolution(tmp_path: Path, kind: int, value: bytes, expected_um: float | None) -> None:
    file = copied(_retyped(tmp_path / "a.tif", kind, value))
    assert _x_um(file.header.pixel_size_um) == pytest.approx(expected_um)


FEI = b"[System]\r\nSource=FEG\r\n[Scan]\r\nPixelWidth=3.5e-009\r\nPixelHeight=4e-009\r\n"
ZEISS = b"AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 3.5 nm\r\nDP_DETECTOR\r\nDetector = InLens\r\n"
TESCAN = b"[MAIN]\r\nPixelSizeX=3.5e-9\r\nPixelSizeY=4e-9\r\n"


@pytest.mark.parametrize(
    ("tag", "content", "y_nm"), [(34682, FEI, 4), (34680, FEI, 4), (34118, ZEISS, 3.5), (50431, TESCAN, 4)]
)
def test_sizes_in_electron_microscopes_tags(tmp_path: Path, tag: int, content: bytes, y_nm: float) -> None:
    kind = 7 if tag == 50431 else 2
    extra = [(tag, kind, len(content), content, True)]
    file = copied(_plain(tmp_path / "sem.tif", extratags=extra))
    size = file.header.pixel_size_um
    assert size is not None
    assert (size.x_um, size.y_um) == pytest.approx((3.5e-3, y_nm * 1e-3))
    with tifffile.TiffFile(file.result) as tiff:
        assert tag in tiff.pages.first.tags


def test_a_broken_makers_tag_is_no_size(tmp_path: Path) -> None:
    content = b"[Scan]\r\nPixelWidth=wide\r\nPixelHeight=\r\n"
    assert (
        inspect_image(_plain(tmp_path / "a.tif", extratags=[(34682, 2, 0, content, True)])).pixel_size_um
        is None
    )
