"""Limits on the size of images, and on the memory and the time that reading them takes."""

import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from models_store.errors import (
    ImageCorruptError,
    ImageTooLargeError,
)
from models_store.image_files.header import ImageLimits
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reading_limits import ReadingLimits
from models_store.image_files.tiff.inspect import inspect_image
from tests.support.grey_tiffs import noise, write_grey


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
    small = write_grey(tmp_path / "small.tif", noise(4, 32, 32))
    with pytest.raises(ImageTooLargeError):
        inspect_image(small, ImageLimits(plane_px=1000))
    with pytest.raises(ImageTooLargeError):
        inspect_image(small, ImageLimits(planes=3))
    with pytest.raises(ImageTooLargeError):
        inspect_image(small, ImageLimits(decoded_bytes=4 * 32 * 32 * 2 - 1))


def test_a_large_plane_takes_little_more_memory_than_its_pixels(isolation: Isolation, tmp_path: Path) -> None:
    plane_yx = np.zeros((6000, 6000), "uint16")
    plane_yx[5800:, 5800:] = noise(200, 200)  # a specimen in the corner of a mosaic
    path = write_grey(tmp_path / "mosaic.tif", plane_yx, tile=(512, 512))
    with isolation.reader(ReadingLimits(memory_bytes=2**29)) as reader:
        planes, preview_png = reader.inspect(path)
        assert planes.header.shape == plane_yx.shape
        assert preview_png.startswith(b"\x89PNG")


def test_memory_is_bounded_by_the_limit_not_by_the_file(isolation: Isolation, tmp_path: Path) -> None:
    path = write_grey(tmp_path / "blank.tif", np.zeros((8000, 8000), "uint8"), compression="zlib")
    assert path.stat().st_size < 100_000
    with (
        isolation.reader(ReadingLimits(memory_bytes=2**26)) as reader,
        pytest.raises(
            ImageTooLargeError,
            match=r"of 8000 x 8000 pixels takes more memory than the 64 MiB .* 2189 x 2189 for example",
        ),
    ):
        reader.inspect(path)


def test_reading_a_file_for_too_long_is_aborted(isolation: Isolation, tmp_path: Path) -> None:
    path = write_grey(tmp_path / "large.tif", noise(2048, 2048))
    with (
        isolation.reader(ReadingLimits(answer_s=0.0001)) as reader,
        pytest.raises(ImageCorruptError, match=r"within 0\.0001 seconds"),
    ):
        reader.inspect(path)


def test_threads_may_inspect_at_the_same_time(isolation: Isolation, tmp_path: Path) -> None:
    paths = [write_grey(tmp_path / f"{side}.tif", noise(side, 40)) for side in (20, 24, 28, 32)]

    def height_px(path: Path) -> int:
        with isolation.reader() as reader:
            return reader.inspect(path)[0].header.height_px

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(height_px, paths)) == [20, 24, 28, 32]
