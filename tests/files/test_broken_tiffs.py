"""Broken TIFF files: each is refused in time, or read with the shape of its header."""

import contextlib
import io
import struct
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
    ImageCorruptError,
)
from models_store.image_files.content import check_content
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.tiff.inspect import inspect_image
from models_store.image_files.tiff.reader import open_planes
from tests.support.grey_tiffs import noise, write_grey


def _set_next(content: bytearray, page_offset: int, next_offset: int) -> None:
    tags = struct.unpack_from("<H", content, page_offset)[0]
    struct.pack_into("<I", content, page_offset + 2 + tags * 12, next_offset)


@pytest.mark.parametrize("target", [0, 1], ids=["to-itself", "to-an-earlier-page"])
def test_a_circular_ifd_chain_is_refused(tmp_path: Path, target: int) -> None:
    path = write_grey(tmp_path / "loop.tif", noise(3, 32, 32))
    with tifffile.TiffFile(path) as tiff:
        offsets = [page.offset for page in tiff.pages]
    content = bytearray(path.read_bytes())
    _set_next(content, offsets[2], offsets[2 - target])
    path.write_bytes(content)
    with pytest.raises(ImageCorruptError, match="loop"):
        inspect_image(path)


def test_pages_may_lie_in_any_order_in_the_file(tmp_path: Path) -> None:
    planes = noise(2, 32, 32)
    path = write_grey(tmp_path / "order.tif", planes)
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
    path = write_grey(tmp_path / "cut.tif", noise(256, 256), compression=compression, rowsperstrip=64)
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(ImageCorruptError):
        reader.inspect(path)


def test_a_broken_plane_within_a_stack_is_named(tmp_path: Path) -> None:
    path = write_grey(tmp_path / "broken.tif", noise(9, 64, 64), compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages[6].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + 40] = b"\xff" * 40
    path.write_bytes(content)
    with open_planes(path) as planes:
        assert planes[5].shape == (64, 64)
        with pytest.raises(ImageCorruptError, match="plane 7 cannot be decoded"):
            planes[6]


def _seed(planes: NDArray[Any], **options: Any) -> bytes:  # because tifffile takes anything
    file = io.BytesIO()
    tifffile.imwrite(file, planes, photometric="minisblack", **options)
    return file.getvalue()


SEEDS = [
    _seed(noise(16, 16), metadata=None),
    _seed(noise(2, 16, 16), metadata=None, compression="zlib"),
    _seed(noise(2, 3, 16, 16), imagej=True, metadata={"axes": "TZYX"}),
    _seed(noise(2, 16, 16), ome=True, metadata={"axes": "CYX"}),
    _seed(noise(2, 32, 32), tile=(16, 16), compression="lzw", metadata=None, bigtiff=True),
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


def test_metadata_does_not_lead_to_other_files(tmp_path: Path) -> None:
    """An OME-TIFF may claim that its planes are in another file, which an upload must not read."""
    secret = tmp_path / "secret.tif"
    write_grey(secret, noise(32, 32) + 1000)
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="32" SizeY="32" SizeZ="1" '
        'SizeC="1" SizeT="2"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>'
        '<TiffData IFD="0" PlaneCount="1"/>'
        '<TiffData IFD="0" PlaneCount="1" FirstT="1"><UUID FileName="secret.tif">urn:uuid:1</UUID></TiffData>'
        "</Pixels></Image></OME>"
    )
    path = tmp_path / "leads.ome.tif"
    tifffile.imwrite(path, noise(32, 32), photometric="minisblack", metadata=None, description=xml)
    with open_planes(path) as planes:
        np.testing.assert_array_equal(np.stack(list(planes)), noise(1, 32, 32))
