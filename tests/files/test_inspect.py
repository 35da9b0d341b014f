"""Inspection refuses wrong kinds of images, broken IFD chains and decompression bombs in time."""

import contextlib
import io
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models_store.errors import (
    ClearScopeError,
    ImageContentError,
    ImageCorruptError,
    ImageError,
    ImageTooLargeError,
    ImageUnsupportedError,
)
from models_store.image_files.content import check_content
from models_store.image_files.header import ImageLimits
from models_store.image_files.isolation.client import Isolation, Reader, ReadingLimits
from models_store.image_files.tiff.inspect import inspect_image
from models_store.image_files.tiff.reader import open_planes
from tests.support.tiff_bytes import entries_of, layout_of


def _noise(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    return np.random.default_rng(0).integers(100, 200, shape).astype(dtype)


def _grey(path: Path, planes: NDArray[Any], **options: Any) -> Path:  # because tifffile takes anything
    tifffile.imwrite(path, planes, photometric="minisblack", metadata=None, **options)
    return path


def _rgb(path: Path) -> None:
    tifffile.imwrite(path, _noise(32, 32, 3, dtype="uint8"), photometric="rgb")


def _grey_with_alpha(path: Path) -> None:
    planes = _noise(2, 32, 32)
    tifffile.imwrite(
        path, planes, photometric="minisblack", planarconfig="separate", extrasamples=["unassalpha"]
    )


def _palette(path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 2**16, (3, 256)).astype("uint16")
    tifffile.imwrite(path, _noise(32, 32, dtype="uint8"), photometric="palette", colormap=colours)


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
    _grey(path, (_noise(32, 32) + 1j).astype("complex64"))


def _two_sizes(path: Path) -> None:
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(_noise(32, 32), metadata=None)
        tiff.write(_noise(48, 32), metadata=None)


def _constant(path: Path) -> None:
    _grey(path, np.full((3, 32, 32), 7, "uint16"))


def _all_nan(path: Path) -> None:
    _grey(path, np.full((32, 32), np.nan, "float32"))


def _beyond_float32(path: Path) -> None:
    _grey(path, _noise(32, 32, dtype="float64") * 1e300)


def _smaller_than_squares_of_float32(path: Path) -> None:
    _grey(path, _noise(32, 32, dtype="float64") * 1e-30)


def _lost_beside_an_offset(path: Path) -> None:
    _grey(path, _noise(32, 32, dtype="float64") % 10 + 1e9)


def _one_pixel_wide(path: Path) -> None:
    _grey(path, _noise(400, 1))


def _zero_sized(path: Path) -> None:
    content = bytearray(_grey(path, _noise(32, 32)).read_bytes())
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
    assert inspect_image(_grey(tmp_path / "small.tif", _noise(*shape))).shape == shape


def test_false_colours_over_grey_values_are_accepted(tmp_path: Path) -> None:
    ramp = np.stack([np.zeros(256), np.arange(256) * 257, np.zeros(256)]).astype("uint16")
    path = tmp_path / "green.tif"
    tifffile.imwrite(path, _noise(32, 32, dtype="uint8"), photometric="palette", colormap=ramp)
    assert inspect_image(path).dtype == "uint8"


def test_borders_without_values_are_accepted(reader: Reader, tmp_path: Path) -> None:
    planes = _noise(3, 32, 32, dtype="float32")
    planes[:, :, :9] = np.nan
    planes[2] = -np.inf
    opened, preview_png = reader.inspect(_grey(tmp_path / "registered.tif", planes))
    assert opened.header.planes == 3
    assert preview_png.startswith(b"\x89PNG")


def test_a_stack_with_an_empty_plane_is_accepted(reader: Reader, tmp_path: Path) -> None:
    planes = _noise(3, 32, 32)
    planes[0] = 0
    assert len(reader.inspect(_grey(tmp_path / "stack.tif", planes))[0]) == 3


def _set_next(content: bytearray, page_offset: int, next_offset: int) -> None:
    tags = struct.unpack_from("<H", content, page_offset)[0]
    struct.pack_into("<I", content, page_offset + 2 + tags * 12, next_offset)


@pytest.mark.parametrize("target", [0, 1], ids=["to-itself", "to-an-earlier-page"])
def test_a_circular_ifd_chain_is_refused(tmp_path: Path, target: int) -> None:
    path = _grey(tmp_path / "loop.tif", _noise(3, 32, 32))
    with tifffile.TiffFile(path) as tiff:
        offsets = [page.offset for page in tiff.pages]
    content = bytearray(path.read_bytes())
    _set_next(content, offsets[2], offsets[2 - target])
    path.write_bytes(content)
    with pytest.raises(ImageCorruptError, match="loop"):
        inspect_image(path)


def test_pages_may_lie_in_any_order_in_the_file(tmp_path: Path) -> None:
    planes = _noise(2, 32, 32)
    path = _grey(tmp_path / "order.tif", planes)
    with tifffile.TiffFile(path) as tiff:
        first, second = (page.offset for page in tiff.pages)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 4, second)
    _set_next(content, second, first)
    _set_next(content, first, 0)
    path.write_bytes(content)
    with open_planes(path) as reader:
        np.testing.assert_array_equal(np.stack(list(reader)), planes[::-1])


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_a_truncated_file_is_refused(reader: Reader, tmp_path: Path, compression: str | None) -> None:
    path = _grey(tmp_path / "cut.tif", _noise(256, 256), compression=compression, rowsperstrip=64)
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(ImageCorruptError):
        reader.inspect(path)


def test_a_broken_plane_within_a_stack_is_named(tmp_path: Path) -> None:
    path = _grey(tmp_path / "broken.tif", _noise(9, 64, 64), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[6].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + 40] = b"\xff" * 40
    path.write_bytes(content)
    with open_planes(path) as planes:
        assert planes[5].shape == (64, 64)
        with pytest.raises(ImageCorruptError, match="plane 7 cannot be decoded"):
            planes[6]


def _claim(path: Path, width: int, height: int, compression: int) -> Path:
    """Write a TIFF that claims to be a huge image but has only 16 bytes of pixels."""
    tags = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, 8),
        (259, 3, compression),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, 16),
    ]
    body = b"".join(struct.pack("<HHII", code, kind, 1, value) for code, kind, value in tags)
    path.write_bytes(
        struct.pack("<2sHI", b"II", 42, 24) + bytes(16) + struct.pack("<H", len(tags)) + body + bytes(4)
    )
    return path


@pytest.mark.parametrize("compression", [1, 5, 8], ids=["none", "lzw", "deflate"])
def test_a_claim_of_more_than_the_file_can_hold_is_refused(tmp_path: Path, compression: int) -> None:
    with pytest.raises(ImageCorruptError, match="claims 225000000 bytes"):
        inspect_image(_claim(tmp_path / "claim.tif", 15_000, 15_000, compression))


def test_a_plane_above_the_limit_is_too_large(tmp_path: Path) -> None:
    path = _claim(tmp_path / "claim.tif", 2**31, 2**31, 1)
    with pytest.raises(ImageTooLargeError):
        inspect_image(path)
    small = _grey(tmp_path / "small.tif", _noise(4, 32, 32))
    with pytest.raises(ImageTooLargeError):
        inspect_image(small, ImageLimits(plane_px=1000))
    with pytest.raises(ImageTooLargeError):
        inspect_image(small, ImageLimits(planes=3))
    with pytest.raises(ImageTooLargeError):
        inspect_image(small, ImageLimits(decoded_bytes=4 * 32 * 32 * 2 - 1))


def test_a_large_plane_takes_little_more_memory_than_its_pixels(isolation: Isolation, tmp_path: Path) -> None:
    plane_yx = np.zeros((6000, 6000), "uint16")
    plane_yx[5800:, 5800:] = _noise(200, 200)  # a specimen in the corner of a mosaic
    path = _grey(tmp_path / "mosaic.tif", plane_yx, tile=(512, 512))
    with isolation.reader(ReadingLimits(memory_bytes=2**29)) as reader:
        planes, preview_png = reader.inspect(path)
        assert planes.header.shape == plane_yx.shape
        assert preview_png.startswith(b"\x89PNG")


def test_a_large_plane_without_data_is_refused(reader: Reader, tmp_path: Path) -> None:
    plane_yx = np.full((4100, 40), 7, "uint8")
    plane_yx[:9, :9] = _noise(9, 9, dtype="uint8")
    with pytest.raises(ImageContentError, match=r"only .* pixels of a plane hold data"):
        reader.inspect(_grey(tmp_path / "strip.tif", plane_yx))


def test_memory_is_bounded_by_the_limit_not_by_the_file(isolation: Isolation, tmp_path: Path) -> None:
    path = _grey(tmp_path / "blank.tif", np.zeros((8000, 8000), "uint8"), compression="zlib")
    assert path.stat().st_size < 100_000
    with (
        isolation.reader(ReadingLimits(memory_bytes=2**26)) as reader,
        pytest.raises(ImageTooLargeError, match="memory"),
    ):
        reader.inspect(path)


def test_reading_a_file_for_too_long_is_aborted(isolation: Isolation, tmp_path: Path) -> None:
    path = _grey(tmp_path / "large.tif", _noise(2048, 2048))
    with (
        isolation.reader(ReadingLimits(answer_s=0.0001)) as reader,
        pytest.raises(ImageCorruptError, match=r"within 0\.0001 seconds"),
    ):
        reader.inspect(path)


def test_threads_may_inspect_at_the_same_time(isolation: Isolation, tmp_path: Path) -> None:
    paths = [_grey(tmp_path / f"{side}.tif", _noise(side, 40)) for side in (20, 24, 28, 32)]

    def height_px(path: Path) -> int:
        with isolation.reader() as reader:
            return reader.inspect(path)[0].header.height_px

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(height_px, paths)) == [20, 24, 28, 32]


def test_metadata_does_not_lead_to_other_files(tmp_path: Path) -> None:
    """An OME-TIFF may claim that its planes are in another file, which an upload must not read."""
    secret = tmp_path / "secret.tif"
    _grey(secret, _noise(32, 32) + 1000)
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="32" SizeY="32" SizeZ="1" '
        'SizeC="1" SizeT="2"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        '<TiffData IFD="0" PlaneCount="1"/>'
        '<TiffData IFD="0" PlaneCount="1" FirstT="1"><UUID FileName="secret.tif">urn:uuid:1</UUID></TiffData>'
        "</Pixels></Image></OME>"
    )
    path = tmp_path / "leads.ome.tif"
    tifffile.imwrite(path, _noise(32, 32), photometric="minisblack", metadata=None, description=xml)
    with open_planes(path) as planes:
        np.testing.assert_array_equal(np.stack(list(planes)), _noise(1, 32, 32))


def _seed(planes: NDArray[Any], **options: Any) -> bytes:  # because tifffile takes anything
    file = io.BytesIO()
    tifffile.imwrite(file, planes, photometric="minisblack", **options)
    return file.getvalue()


SEEDS = [
    _seed(_noise(16, 16), metadata=None),
    _seed(_noise(2, 16, 16), metadata=None, compression="zlib"),
    _seed(_noise(2, 3, 16, 16), imagej=True, metadata={"axes": "TZYX"}),
    _seed(_noise(2, 16, 16), ome=True, metadata={"axes": "CYX"}),
    _seed(_noise(2, 32, 32), tile=(16, 16), compression="lzw", metadata=None, bigtiff=True),
]
_EDITS = st.lists(st.tuples(st.integers(0, 700), st.binary(min_size=1, max_size=4)), min_size=1, max_size=6)


@pytest.mark.filterwarnings("ignore")  # as reading processes do: decoders warn about broken bytes
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.sampled_from(SEEDS), edits=_EDITS, kept=st.floats(0.3, 1.5))
def test_changed_bytes_are_read_or_refused(
    tmp_path: Path, seed: bytes, edits: list[tuple[int, bytes]], kept: float
) -> None:
    """Any bytes are either refused or read with the shape of their header."""
    content = bytearray(seed)
    for offset, value in edits:
        content[offset : offset + len(value)] = value
    path = tmp_path / "changed.tif"
    path.write_bytes(content[: int(len(content) * kept)])
    with contextlib.suppress(ClearScopeError), open_planes(path) as planes:
        check_content(planes)
        assert planes[len(planes) - 1].shape == planes.header.shape[-2:]


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
    for plane_yx, said in ((rows_yx, "every second row"), (corner_yx, "open it in a viewer")):
        tifffile.imwrite(path, plane_yx, photometric="minisblack")
        with pytest.raises(ImageContentError, match=said):
            reader.inspect(path)
