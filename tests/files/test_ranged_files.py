"""Files of a remote store, which a reading process gets from its client by ranges."""

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from models_store.errors import ImageCorruptError, OutageError, UnavailableError
from models_store.image_files.isolation import wire
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.directory_strides import DirectoryStrides
from models_store.image_files.isolation.ranged_stream import BLOCK_BYTES, RangedStream
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.isolation.reading_limits import ReadingLimits
from models_store.image_files.opening import open_planes
from tests.support.lif_files import LifImage, write_lif
from tests.support.oir_files import write_oir

PLANES, SIDE_PX = 60, 256
PIXELS = np.random.default_rng(0).integers(0, 4000, (PLANES, SIDE_PX, SIDE_PX), np.uint16)


class CountedFile:
    """A local file as a remote one, with counters."""

    def __init__(self, path: Path) -> None:
        self._content = path.read_bytes()
        self.size_bytes = len(self._content)
        self.read_bytes = 0
        self.requests = 0
        self.outage: OutageError | None = None

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        if self.outage:
            raise self.outage
        self.requests += 1
        self.read_bytes += sum(length for _, length in ranges)
        return [self._content[start : start + length] for start, length in ranges]


def _contiguous(path: Path) -> None:
    tifffile.imwrite(path, PIXELS, photometric="minisblack", metadata={"axes": "TYX"}, ome=True)


def _directories_between_planes(path: Path) -> None:
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for plane in PIXELS:
            writer.write(plane, contiguous=False, photometric="minisblack", metadata=None)


def _compressed(path: Path) -> None:
    tifffile.imwrite(path, PIXELS, photometric="minisblack", compression="zlib", ome=True)


def _compressed_tiles(path: Path) -> None:
    tifffile.imwrite(path, PIXELS, photometric="minisblack", compression="zlib", tile=(64, 64))


def _lif(path: Path) -> None:
    write_lif(path, [LifImage("stack", "ZYX", PIXELS, {"X": 0.1, "Y": 0.1})])


KINDS = (_contiguous, _directories_between_planes, _compressed, _compressed_tiles, _lif)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__.strip("_"))
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "stack"
    request.param(path)
    return path


def test_planes_are_those_of_the_file_and_little_else_is_fetched(reader: Reader, path: Path) -> None:
    file = CountedFile(path)
    planes = reader.open(file)
    with open_planes(path) as direct:
        assert planes.header == direct.header
    head_bytes, requests = file.read_bytes, file.requests
    for index in range(20, 40):
        np.testing.assert_array_equal(planes[index], PIXELS[index])
    assert file.read_bytes - head_bytes <= 1.2 * 20 * PIXELS[0].nbytes
    assert file.requests - requests < 20
    for index in (59, 0, 30, 29):
        np.testing.assert_array_equal(planes[index], PIXELS[index])


def test_a_whole_stack_is_fetched_once(reader: Reader, path: Path) -> None:
    file = CountedFile(path)
    for plane, expected in zip(reader.open(file), PIXELS, strict=True):
        np.testing.assert_array_equal(plane, expected)
    assert file.read_bytes <= 1.1 * file.size_bytes + 2 * PLANES * BLOCK_BYTES


def test_an_oir_which_is_read_twice_is_fetched_once(reader: Reader, tmp_path: Path) -> None:
    piece_bytes = 30 * PIXELS[0, 0].nbytes
    steps_um, names = (0.1, 0.1, 0.5), ("DAPI",)
    file = CountedFile(
        write_oir(tmp_path / "stack", PIXELS[None, None], steps_um, names, piece_bytes=piece_bytes)
    )
    for plane, expected in zip(reader.open(file), PIXELS, strict=True):
        np.testing.assert_array_equal(plane, expected)
    assert file.read_bytes <= 1.1 * file.size_bytes


@pytest.mark.parametrize("write", [_directories_between_planes, _compressed, _compressed_tiles])
def test_directories_of_like_planes_take_few_requests(
    write: Callable[[Path], None], reader: Reader, tmp_path: Path
) -> None:
    write(tmp_path / "stack")
    file = CountedFile(tmp_path / "stack")
    reader.open(file)
    assert file.requests <= PLANES / 5
    assert file.read_bytes <= 4 * PLANES * BLOCK_BYTES


def test_directories_at_any_distances_are_fetched_one_by_one(reader: Reader, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pixels = PIXELS & (2 ** rng.integers(3, 12, PLANES) - 1).astype(np.uint16)[:, None, None]
    tifffile.imwrite(tmp_path / "stack", pixels, photometric="minisblack", compression="zlib")
    file = CountedFile(tmp_path / "stack")
    planes = reader.open(file)
    assert file.read_bytes <= 2 * PLANES * BLOCK_BYTES
    for index in (0, 30, 59):
        np.testing.assert_array_equal(planes[index], pixels[index])


def test_distances_are_predicted_only_where_they_are_alike() -> None:
    strides = DirectoryStrides()
    assert strides.windows() == []
    for place in (100_000, 200_000, 300_000):
        strides.seen(place)
        strides.seen(place + 200)
    first, *_ = strides.windows()
    assert first[0] <= 400_000 < first[1] <= 401_000
    strides.seen(402_000)
    windows = strides.windows()
    assert windows[0][0] <= 502_000 < windows[0][1]
    assert windows[0][1] - windows[0][0] > first[1] - first[0]
    strides.seen(900_000)
    assert strides.windows() == []


def test_inspection_fetches_the_planes_that_it_looks_at(reader: Reader, tmp_path: Path) -> None:
    _contiguous(tmp_path / "stack")
    file = CountedFile(tmp_path / "stack")
    planes, preview = reader.inspect(file)
    assert preview.startswith(b"\x89PNG")
    assert reader.list_images(file).headers == (planes.header,)
    assert file.read_bytes < 5 * PIXELS[0].nbytes


@pytest.mark.parametrize("when", ["the header", "a plane"])
def test_an_outage_is_not_blamed_on_the_file(reader: Reader, path: Path, when: str) -> None:
    file = CountedFile(path)
    if when == "the header":
        file.outage = UnavailableError("the blob store does not answer")
        with pytest.raises(UnavailableError, match="blob store does not answer"):
            reader.open(file)
        return
    planes = reader.open(file)
    file.outage = UnavailableError("the blob store does not answer")
    for _ in range(2):  # the reading process has ended, which is not the file's fault either
        with pytest.raises(UnavailableError, match="blob store does not answer"):
            planes[50]


def test_waiting_for_the_store_does_not_count_as_time_of_the_file(
    isolation: Isolation, tmp_path: Path
) -> None:
    _contiguous(tmp_path / "stack")
    pause, pause_s, answer_s = threading.Event(), 0.7, 4.0
    pauses = []

    class SlowFile(CountedFile):
        def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
            pause.wait(pause_s)
            pauses.append(pause_s)
            return super().read(ranges)

    with isolation.reader(ReadingLimits(answer_s=answer_s)) as reader:
        assert len(reader.inspect(SlowFile(tmp_path / "stack"))[0]) == PLANES
    assert sum(pauses) > answer_s
    with (
        isolation.reader(ReadingLimits(replies_s=0.5)) as reader,
        pytest.raises(ImageCorruptError, match="could not be read within"),
    ):
        reader.inspect(SlowFile(tmp_path / "stack"))


RANGES: tuple[Any, ...] = ([[0, 10**9]], [[-1, 5]], [[5, 0]], [[0, "1"]], [[0]], [], [[0, 1]] * 65, None, 7)


@pytest.mark.parametrize("ranges", RANGES, ids=lambda ranges: str(ranges)[:20])
def test_a_reading_process_gets_nothing_beyond_its_file(tmp_path: Path, ranges: Any) -> None:
    _contiguous(tmp_path / "stack")
    here, there = socket.socketpair()
    file = CountedFile(tmp_path / "stack")

    def serve() -> None:
        with suppress(wire.BrokenMessageError, OSError):
            wire.receive_request(there)
            wire.send(there, {"source": 0, "need": {"ranges": ranges}})
            wire.receive_request(there)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with (
            closing(Reader(here, ReadingLimits())) as reader,
            pytest.raises(ImageCorruptError, match="reader crashes"),
        ):
            reader.open(file)
    finally:
        thread.join()
        there.close()
    assert file.requests == 0


class Bytes:
    """Ranges of bytes in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size_bytes = len(content)

    def read(self, offset: int, length: int) -> bytes:
        assert 0 <= offset < offset + length <= self.size_bytes
        return self.content[offset : offset + length]

    def read_several(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.read(*each) for each in ranges]


def _anywhere(rng: np.random.Generator, size: int) -> int:
    return int(rng.integers(0, size))


def _in_steps(rng: np.random.Generator, size: int) -> int:
    return int(rng.integers(0, 30)) * (size // 31)


@pytest.mark.parametrize("place", [_anywhere, _in_steps], ids=lambda place: place.__name__.strip("_"))
@pytest.mark.parametrize("size", [1, BLOCK_BYTES, 1_000_003])
def test_a_stream_of_ranges_reads_like_a_file(
    size: int, place: Callable[[np.random.Generator, int], int]
) -> None:
    rng = np.random.default_rng(size)
    content = rng.bytes(size)
    stream = RangedStream(Bytes(content))
    position = 0
    for _ in range(2000):
        if rng.random() < 0.5:
            position = stream.seek(place(rng, size))
        count = int(2 ** rng.uniform(0, 18))
        assert stream.read(count) == content[position : position + count]
        position = stream.tell()
    assert stream.seek(-1, 2) == size - 1
    assert stream.read() == content[-1:]
    assert stream.read(5) == b""
