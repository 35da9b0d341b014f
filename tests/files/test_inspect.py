"""Inspection refuses wrong kinds of images with advice, and images without content."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.errors import (
    ClearScopeError,
    ImageContentError,
    ImageError,
    ImageUnsupportedError,
)
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.tiff.inspect import inspect_image
from models_store.image_files.tiff.reader import open_planes
from tests.support.grey_tiffs import noise, write_grey
from tests.support.tiff_bytes import entries_of, layout_of


def _rgb(path: Path) -> None:
    tifffile.imwrite(path, noise(32, 32, 3, dtype="uint8"), photometric="rgb")


def _grey_with_alpha(path: Path) -> None:
    planes = noise(2, 32, 32)
    tifffile.imwrite(
        path, planes, photometric="minisblack", planarconfig="separate", extrasamples=["unassalpha"]
    )


def _palette(path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 2**16, (3, 256)).astype("uint16")
    tifffile.imwrite(path, noise(32, 32, dtype="uint8"), photometric="palette", colormap=colours)


def _palette_of_text(path: Path) -> None:
    _palette(path)
    content = bytearray(path.read_bytes())
    layout = layout_of(content)
    assert layout is not None
    (entry,) = (at for at in entries_of(content) if content[at : at + 2] == layout.short(320))
    start, length = layout.place(entry, "type")
    ascii_text = 2
    content[start : start + length] = layout.short(ascii_text)
    path.write_bytes(content)


def _complex(path: Path) -> None:
    write_grey(path, (noise(32, 32) + 1j).astype("complex64"))


def _two_sizes(path: Path) -> None:
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(noise(32, 32), metadata=None)
        tiff.write(noise(48, 32), metadata=None)


def _constant(path: Path) -> None:
    write_grey(path, np.full((3, 32, 32), 7, "uint16"))


def _all_nan(path: Path) -> None:
    write_grey(path, np.full((32, 32), np.nan, "float32"))


def _beyond_float32(path: Path) -> None:
    write_grey(path, noise(32, 32, dtype="float64") * 1e300)


def _smaller_than_squares_of_float32(path: Path) -> None:
    write_grey(path, noise(32, 32, dtype="float64") * 1e-30)


def _lost_beside_an_offset(path: Path) -> None:
    write_grey(path, noise(32, 32, dtype="float64") % 10 + 1e9)


def _one_pixel_wide(path: Path) -> None:
    write_grey(path, noise(400, 1))


def _zero_sized(path: Path) -> None:
    content = bytearray(write_grey(path, noise(32, 32)).read_bytes())
    width = content.index(struct.pack("<HHI", 256, 4, 1)) if struct.pack("<HHI", 256, 4, 1) in content else -1
    at = width if width >= 0 else content.index(struct.pack("<HH", 256, 3))
    content[at + 8 : at + 12] = bytes(4)
    path.write_bytes(content)


def _png(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty; copy it again"),
        (bytes(2000), "first 2000 bytes are all 0: it was not written to the end"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG, which has lost the noise .*; export it as TIFF"),
        (b"GIF89a\x10\x00", "a GIF; export it as TIFF"),
        (b"\x93NUMPY\x01\x00v\x00", "an array of NumPy; save it as TIFF"),
        (b"MATLAB 5.0 MAT-file", "a file of MATLAB; save the image as TIFF"),
        (b"\x1f\x8b\x08\x00", "compressed by gzip; unpack it"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS.*git lfs pull"),
        ("Tiefe;Höhe\r\n1;2".encode(), "a text file, which begins with 'Tiefe;.*; upload the image itself"),
        (b"\x01\x02\x03\x80\x90\x00" * 9, "format of this file is unknown.* TIFF, Zeiss CZI, .*Andor SIF"),
    ],
)
def test_content_of_other_kinds_is_refused_with_what_it_is_and_what_is_read(
    content: bytes, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "cells.tif"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason), open_planes(path):
        pass


@pytest.mark.parametrize(
    ("write", "error", "reason"),
    [
        (_rgb, ImageUnsupportedError, "RGB image; split the channels"),
        (_grey_with_alpha, ImageUnsupportedError, "2 samples per pixel"),
        (_palette, ImageUnsupportedError, "palette; convert to grey"),
        (_palette_of_text, ImageUnsupportedError, "palette; convert to grey"),
        (_complex, ImageUnsupportedError, "complex numbers; save the magnitude"),
        (_two_sizes, ImageUnsupportedError, "2 separate images"),
        (_png, ImageUnsupportedError, "a PNG; export it as TIFF"),
        (_constant, ImageContentError, r"same value \(7\)"),
        (_all_nan, ImageContentError, "only 0 pixels are finite"),
        (_beyond_float32, ImageContentError, "rescale"),
        (_smaller_than_squares_of_float32, ImageContentError, "spread by .*; rescale"),
        (_lost_beside_an_offset, ImageContentError, "differ by .*; subtract the offset"),
        (_one_pixel_wide, ImageContentError, "1 x 400 pixels; at least 16 x 16"),
        (_zero_sized, ImageContentError, "no pixels"),
    ],
)
def test_an_image_of_the_wrong_kind_is_refused_with_advice(
    reader: Reader,
    tmp_path: Path,
    write: Callable[[Path], None],
    error: type[ClearScopeError],
    reason: str,
) -> None:
    path = tmp_path / "wrong.tif"
    write(path)
    with pytest.raises(error, match=reason):
        reader.inspect(path)


@pytest.mark.parametrize("shape", [(16, 16), (17, 300), (99, 33)])
def test_an_image_smaller_than_a_patch_is_accepted(tmp_path: Path, shape: tuple[int, int]) -> None:
    assert inspect_image(write_grey(tmp_path / "small.tif", noise(*shape))).shape == shape


def test_false_colours_over_grey_values_are_accepted(tmp_path: Path) -> None:
    ramp = np.stack([np.zeros(256), np.arange(256) * 257, np.zeros(256)]).astype("uint16")
    path = tmp_path / "green.tif"
    tifffile.imwrite(path, noise(32, 32, dtype="uint8"), photometric="palette", colormap=ramp)
    assert inspect_image(path).dtype == "uint8"


def test_borders_without_values_are_accepted(reader: Reader, tmp_path: Path) -> None:
    planes = noise(3, 32, 32, dtype="float32")
    planes[:, :, :9] = np.nan
    planes[2] = -np.inf
    opened, preview_png = reader.inspect(write_grey(tmp_path / "registered.tif", planes))
    assert opened.header.planes == 3
    assert preview_png.startswith(b"\x89PNG")


def test_a_stack_with_an_empty_plane_is_accepted(reader: Reader, tmp_path: Path) -> None:
    planes = noise(3, 32, 32)
    planes[0] = 0
    assert len(reader.inspect(write_grey(tmp_path / "stack.tif", planes))[0]) == 3


def test_a_large_plane_without_data_is_refused(reader: Reader, tmp_path: Path) -> None:
    plane_yx = np.full((4100, 40), 7, "uint8")
    plane_yx[:9, :9] = noise(9, 9, dtype="uint8")
    with pytest.raises(ImageContentError, match=r"only .* pixels of a plane hold data"):
        reader.inspect(write_grey(tmp_path / "strip.tif", plane_yx))


def test_planes_of_one_value_each_are_refused_with_the_reason(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "shutter.tif"
    planes = np.stack([np.full((32, 32), value, np.uint16) for value in (0, 7, 9)])
    tifffile.imwrite(path, planes, photometric="minisblack")
    with pytest.raises(ImageContentError, match=r"each of the 3 planes .* one value throughout \(0 to 9\)"):
        reader.inspect(path)


def test_only_planes_with_empty_rows_are_to_be_saved_without_them(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "plane.tif"
    rows_yx = np.random.default_rng(1).normal(100, 9, (32, 32)).astype(np.float32)
    corner_yx = rows_yx.copy()
    rows_yx[::2] = 0
    corner_yx[12:], corner_yx[:, 12:] = 0, 0
    for plane_yx, said in ((rows_yx[:20, :24], "every second row"), (corner_yx, "open it in a viewer")):
        tifffile.imwrite(path, plane_yx, photometric="minisblack")
        with pytest.raises(ImageContentError, match=said):
            reader.inspect(path)
    # With more pixels, the rows between them are an image.
    tifffile.imwrite(path, rows_yx, photometric="minisblack")
    assert len(reader.inspect(path)[0]) == 1
