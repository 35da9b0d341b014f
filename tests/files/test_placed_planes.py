"""Pixels that lie in a file as they are: the client reads them itself, and the same as the reader does."""

import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile

from models_store.errors import ImageCorruptError
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.conversation import Conversation
from models_store.image_files.isolation.own_file import OwnFile, PlaneRun
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.opening import open_planes
from models_store.image_files.planes import PlacedPlanes, PlaceInFile
from tests.support.sif_files import write_sif
from tests.support.spe_files import write_spe
from tests.support.tiff_sets import zipped

PIXELS = np.random.default_rng(3).integers(90, 4000, (4, 33, 40)).astype(np.uint16)

PLACED: dict[str, dict[str, Any]] = {
    "one block": {},
    "big-endian": {"byteorder": ">"},
    "pages": {"contiguous": False, "metadata": None},
    "pages, big-endian": {"contiguous": False, "metadata": None, "byteorder": ">"},
    "strips": {"rowsperstrip": 8, "ome": True},
    "ImageJ": {"imagej": True},
    "samples": {"planarconfig": "separate", "metadata": None},
}
DECODED: dict[str, dict[str, Any]] = {
    "deflate": {"compression": "zlib"},
    "tiles": {"tile": (16, 16)},
    "predictor": {"compression": "zlib", "predictor": True},
}


def written(path: Path, options: dict[str, Any], pixels: Any = PIXELS) -> Path:
    options = dict(options)
    one_by_one = options.pop("contiguous", True) is False
    writer = {name: options.pop(name) for name in ("imagej", "ome", "byteorder") if name in options}
    with tifffile.TiffWriter(path, **writer) as tiff:
        for each in pixels if one_by_one else [pixels]:
            tiff.write(each, photometric="minisblack", contiguous=not one_by_one, **options)
    return path


def places(path: Path) -> list[PlaceInFile | None]:
    with open_planes(path) as planes:
        assert isinstance(planes, PlacedPlanes)
        return [planes.place_of(index) for index in range(len(planes))]


@pytest.mark.parametrize("kind", [*PLACED, *DECODED])
def test_planes_are_the_same_from_their_place_and_decoded(kind: str, tmp_path: Path, reader: Reader) -> None:
    path = written(tmp_path / "stack.tif", (PLACED | DECODED)[kind])
    assert [place is not None for place in places(path)] == [kind in PLACED] * 4
    opened = reader.open(path)
    with open_planes(path) as direct:
        for index in (3, 0, 2, 1):
            plane_yx = opened[index]
            assert plane_yx.dtype == np.uint16
            assert plane_yx.flags.writeable
            np.testing.assert_array_equal(plane_yx, PIXELS[index])
            np.testing.assert_array_equal(direct[index], PIXELS[index])


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_every_type_of_pixels_is_read(dtype: str, byteorder: str, tmp_path: Path, reader: Reader) -> None:
    pixels = (PIXELS // 20).astype(dtype)
    opened = reader.open(written(tmp_path / "stack.tif", {"byteorder": byteorder}, pixels))
    np.testing.assert_array_equal(np.stack([*opened]), pixels)
    assert opened[0].dtype == dtype


def test_values_that_are_converted_have_no_place(tmp_path: Path, reader: Reader) -> None:
    path = tmp_path / "signed.tif"
    signed = PIXELS.astype(np.int16) - 2000
    tifffile.imwrite(path, signed, imagej=True)
    opened = reader.open(path)
    np.testing.assert_array_equal(np.stack([*opened]), signed)
    ramp = np.repeat(np.arange(256, dtype=np.uint16)[::-1] * 257, 1)
    palette = tmp_path / "palette.tif"
    shifted = np.roll(ramp, 7)
    with tifffile.TiffWriter(palette) as tiff:
        for plane_yx in (PIXELS // 16).astype(np.uint8):
            tiff.write(plane_yx, photometric="palette", colormap=np.stack([shifted] * 3), contiguous=False)
    assert places(palette) == [None] * 4
    with open_planes(palette) as direct:
        np.testing.assert_array_equal(np.stack([*reader.open(palette)]), np.stack([*direct]))


def test_offsets_within_an_archive_are_not_those_of_the_archive(tmp_path: Path, reader: Reader) -> None:
    path = written(tmp_path / "stack.tif", {})
    archive = zipped(tmp_path / "stack.zip", {"stack.tif": path.read_bytes()}, zipfile.ZIP_STORED)
    assert places(archive) == [None] * 4
    np.testing.assert_array_equal(np.stack([*reader.open(archive)]), PIXELS)


@pytest.mark.parametrize("write", [write_spe, write_sif])
def test_frames_without_compression_are_read_in_place(write: Any, tmp_path: Path, reader: Reader) -> None:
    dtype = np.uint16 if write is write_spe else np.float32
    path = write(tmp_path / "frames", PIXELS.astype(dtype))
    assert None not in places(path)
    np.testing.assert_array_equal(np.stack([*reader.open(path)]), PIXELS)


def test_a_file_cut_while_it_is_open_is_refused(tmp_path: Path, reader: Reader) -> None:
    path = written(tmp_path / "stack.tif", {})
    opened = reader.open(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    np.testing.assert_array_equal(opened[0], PIXELS[0])
    with pytest.raises(ImageCorruptError, match="plane 4 is incomplete"):
        opened[3]


@pytest.mark.parametrize(
    "place",
    [
        None,
        {},
        {"offset_bytes": 0, "byte_order": "<"},
        {"offset_bytes": -1, "byte_order": "<", "following": 0},
        {"offset_bytes": 2**70, "byte_order": "<", "following": 0},
        {"offset_bytes": 0, "byte_order": "O", "following": 0},
        {"offset_bytes": 0.0, "byte_order": "<", "following": 0},
        {"offset_bytes": 0, "byte_order": "<", "following": -1.0},
        {"offset_bytes": 25, "byte_order": "<", "following": 0},
    ],
)
def test_a_place_outside_the_file_is_refused(place: object, tmp_path: Path) -> None:
    path = tmp_path / "pixels"
    path.write_bytes(bytes(40))
    of_pixels = (np.dtype(np.uint16), (2, 4))
    with closing(OwnFile(path)) as file:
        with pytest.raises(ImageCorruptError):
            PlaneRun.told(file, 0, place, *of_pixels).read(0)
        whole = {"offset_bytes": 8, "byte_order": ">", "following": 2}
        run = PlaneRun.told(file, 3, whole, *of_pixels)
        assert not run.read(3).any()
        assert not run.read(4).any()
        with pytest.raises(ImageCorruptError, match="plane 6 is incomplete"):
            run.read(5)


def test_one_request_tells_where_all_planes_of_a_block_are(
    tmp_path: Path, isolated: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = isolated.open(written(tmp_path / "stack.tif", {}))
    asked: list[dict[str, Any]] = []
    ask = Conversation.ask

    def noted(of: Conversation, request: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        asked.append(request)
        return ask(of, request, *arguments, **options)

    monkeypatch.setattr(Conversation, "ask", noted)
    np.testing.assert_array_equal(np.stack([*opened]), PIXELS)
    np.testing.assert_array_equal(np.stack([*opened]), PIXELS)
    assert [request["index"] for request in asked if request["do"] == "plane"] == [0]


@pytest.fixture
def isolated(isolation: Isolation) -> Iterator[Reader]:
    with isolation.reader() as opened:
        yield opened


def test_a_file_is_closed_with_its_planes(tmp_path: Path, isolated: Reader) -> None:
    path, process = written(tmp_path / "stack.tif", {}), psutil.Process()
    opened = isolated.open(path)
    assert [file.path for file in process.open_files()].count(str(path)) == 1
    opened = isolated.open(path)
    assert [file.path for file in process.open_files()].count(str(path)) == 1
    opened[1]
    isolated.close()
    assert str(path) not in [file.path for file in process.open_files()]
    for plane in (0, 2):
        with pytest.raises(ImageCorruptError):
            opened[plane]
