"""LIF and ND2 files in which planes are missing, as an acquisition was stopped."""

import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from models_store.errors import ImageCorruptError
from models_store.image_files.isolation.reader import Reader
from tests.support.lif_files import LifImage, lif_content
from tests.support.microscope_files import noise

nd2 = pytest.importorskip("nd2")

STEP_UM = {"X": 0.1, "Y": 0.1}
LEFT_OUT = "belong to incomplete times or depths and are left out"


def lif(path: Path, axes: str, shapes: Sequence[tuple[int, ...]], kept_bytes: int) -> Path:
    """Write images of noise, the first of which was stopped after so many bytes."""
    names = ("Green", "Red") if "C" in axes else ("Gray",)
    images = [LifImage(f"{n}", axes, noise(*shape), STEP_UM, names) for n, shape in enumerate(shapes)]
    path.write_bytes(lif_content(images, kept_bytes={0: kept_bytes}))
    return path


@pytest.mark.parametrize(
    ("axes", "shape", "kept_bytes", "kept", "told"),
    [
        (
            "TCYX",
            (5, 2, 20, 24),
            5 * 960,
            (slice(2),),
            f"5 of 10 planes are in the file; 1 of them {LEFT_OUT}",
        ),
        ("TCYX", (5, 2, 20, 24), 6 * 960 + 9, (slice(3),), "6 of 10 planes are in the file"),
        (
            "CTYX",
            (2, 5, 20, 24),
            7 * 960,
            (slice(2), slice(2)),
            f"7 of 10 planes are in the file; 3 of them {LEFT_OUT}",
        ),
        (
            "ZCYX",
            (5, 2, 20, 24),
            5 * 960,
            (slice(2),),
            f"5 of 10 planes are in the file; 1 of them {LEFT_OUT}",
        ),
        (
            "TZYX",
            (3, 4, 20, 24),
            9 * 960,
            (slice(2),),
            f"9 of 12 planes are in the file; 1 of them {LEFT_OUT}",
        ),
    ],
)
def test_complete_times_or_depths_of_a_lif_are_read(
    reader: Reader,
    tmp_path: Path,
    axes: str,
    shape: tuple[int, ...],
    kept_bytes: int,
    kept: tuple[slice, ...],
    told: str,
) -> None:
    planes = reader.open(lif(tmp_path / "a.lif", axes, [shape], kept_bytes))
    pixels = noise(*shape)[kept]
    order = [axes.index(axis) for axis in planes.header.axes]
    expected = pixels.transpose(order)
    assert planes.header.shape == expected.shape
    assert planes.header.warnings == (told,)
    np.testing.assert_array_equal(np.stack([*planes]).reshape(expected.shape), expected)


def test_another_image_of_a_lif_that_is_incomplete_refuses_nothing(reader: Reader, tmp_path: Path) -> None:
    path = lif(tmp_path / "a.lif", "TYX", [(4, 20, 24), (3, 20, 24)], 0)
    planes = reader.open(path)
    assert (planes.header.series, planes.header.shape) == (1, (3, 20, 24))
    assert planes.header.warnings == ("of 2 images in the file, number 1 alone can be denoised",)
    np.testing.assert_array_equal(np.stack([*planes]), noise(3, 20, 24))
    with pytest.raises(ImageCorruptError, match="0 of 4 planes are in the file"):
        reader.open(path, series=0)


def test_a_lif_that_was_cut_is_refused(reader: Reader, tmp_path: Path) -> None:
    path = lif(tmp_path / "a.lif", "TYX", [(4, 20, 24)], 2 * 960)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ImageCorruptError, match="runs past end of file"):
        reader.open(path)


def without_frames(content: bytes, *numbers: int) -> bytes:
    """Rename frames, in their chunks and in the map of chunks, to what no reader knows."""
    for number in numbers:
        content = content.replace(b"ImageDataSeq|%d!" % number, b"ImageDataXXX|%d!" % number)
    return content


def stopped_after(content: bytes, frames: int) -> bytes:
    """Return a file whose camera was stopped after so many of 30 frames."""
    name = re.escape("uiSequenceCount\0".encode("utf-16-le"))
    count = struct.pack("<I", frames)
    content = re.sub(name + b"....", lambda found: found[0][:-4] + count, content, flags=re.DOTALL)
    return without_frames(content, *range(frames, 30))


@pytest.mark.parametrize(
    ("change", "kept_t", "told"),
    [
        (
            lambda content: stopped_after(content, 25),
            [0, 1],
            f"50 of 60 planes are in the file; 10 of them {LEFT_OUT}",
        ),
        (lambda content: stopped_after(content, 20), [0, 1], "40 of 60 planes are in the file"),
        (
            lambda content: without_frames(content, 13),
            [0, 2],
            f"58 of 60 planes are in the file; 18 of them {LEFT_OUT}",
        ),
    ],
    ids=["stopped in a time", "stopped between times", "without a frame"],
)
def test_complete_times_of_an_nd2_are_read(
    reader: Reader,
    test_data: Path,
    tmp_path: Path,
    change: Callable[[bytes], bytes],
    kept_t: list[int],
    told: str,
) -> None:
    source = test_data / "vendor" / "nd2_cluster.nd2"
    path = tmp_path / "a.nd2"
    path.write_bytes(change(source.read_bytes()))
    planes = reader.open(path)
    assert (planes.header.axes, planes.header.shape) == ("TCZYX", (2, 2, 10, 31, 38))
    assert planes.header.warnings == (told,)
    with nd2.ND2File(source) as file:
        expected_tczyx = file.asarray().transpose(0, 2, 1, 3, 4)[kept_t]
    np.testing.assert_array_equal(np.stack([*planes]).reshape(expected_tczyx.shape), expected_tczyx)


def test_a_cut_nd2_is_refused(reader: Reader, test_data: Path, tmp_path: Path) -> None:
    content = (test_data / "vendor" / "nd2_cluster.nd2").read_bytes()
    for size_bytes in (len(content) // 2, len(content) - 3000):
        (tmp_path / "a.nd2").write_bytes(content[:size_bytes])
        with pytest.raises(ImageCorruptError):
            reader.open(tmp_path / "a.nd2")
