"""Sets of files in folders, which a reading process gets one by one from its client."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.errors import ClearScopeError, ImageCorruptError, ImageTooLargeError, ImageUnsupportedError
from models_store.image_files import opening
from models_store.image_files.header import ImageHeader, ImageLimits
from models_store.image_files.isolation import reading, wire
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.isolation.reading_limits import ReadingLimits
from models_store.image_files.opening import open_planes
from models_store.image_files.sets import folder
from models_store.image_files.sets.folder import FolderFiles
from models_store.image_files.sets.named_files import NamedFiles

SIDE_PX = 32


class RawPlanes:
    """Planes in files of raw uint16, one each, as a PlaneSource."""

    def __init__(self, files: NamedFiles) -> None:
        self._files = files
        self._names = sorted(files.names)
        count = len(self._names)
        self.header = ImageHeader(
            axes="TYX",
            shape=(count, SIDE_PX, SIDE_PX),
            dtype="uint16",
            planes=count,
            height_px=SIDE_PX,
            width_px=SIDE_PX,
            pixel_size_um=None,
            channel_names=(),
            file_kind="tiff",
            decoded_bytes=2 * count * SIDE_PX**2,
        )

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> NDArray[Any]:
        with self._files.open(self._names[index]) as file:
            return np.frombuffer(file.read(), np.uint16).reshape(SIDE_PX, SIDE_PX)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[index] for index in range(len(self)))


@contextmanager
def open_raw(files: NamedFiles, _container: str, _limits: ImageLimits, _series: int | None) -> Iterator[Any]:
    yield RawPlanes(files)


@pytest.fixture
def raw_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of raw planes, which readers read as a set."""
    monkeypatch.setattr(opening, "_open_set", open_raw)
    planes = np.random.default_rng(0).integers(0, 4000, (5, SIDE_PX, SIDE_PX), np.uint16)
    for index, plane in enumerate(planes):
        path = tmp_path / "set" / f"t{index}" / "c0" / "plane.raw"
        path.parent.mkdir(parents=True)
        path.write_bytes(plane.tobytes())
    return tmp_path / "set"


@contextmanager
def reader_in_a_thread(serve: Any) -> Iterator[Reader]:
    """Yield the client of a reading process that runs in a thread, so that it can be replaced."""
    here, there = socket.socketpair()
    thread = threading.Thread(target=serve, args=(there,))
    thread.start()
    try:
        with closing(Reader(here, ReadingLimits(answer_s=5))) as reader:
            yield reader
    finally:
        thread.join()
        there.close()


def serve_intact(connection: socket.socket) -> None:
    with ExitStack() as stack, suppress(wire.BrokenMessageError, OSError):
        files = reading.Files(stack, connection)
        while True:
            request, descriptors = wire.receive_request(connection)
            wire.send(connection, *reading.answer(files, request, descriptors))


def test_a_folder_is_read_the_same_here_and_by_a_reading_process(raw_folder: Path) -> None:
    (raw_folder / ".DS_Store").write_bytes(b"1")
    (raw_folder / "t9").symlink_to(raw_folder / "t0")
    with open_planes(raw_folder) as direct, reader_in_a_thread(serve_intact) as reader:
        planes, _ = reader.inspect(raw_folder)
        assert (planes.header, len(planes)) == (direct.header, 5)
        for index in (4, 0, 2, -1):
            np.testing.assert_array_equal(planes[index], direct[index])
        assert planes.survey().channels == ()


def test_a_file_that_has_gone_is_named(raw_folder: Path) -> None:
    with open_planes(raw_folder) as direct, reader_in_a_thread(serve_intact) as reader:
        planes = (direct, reader.open(raw_folder))
        (raw_folder / "t3" / "c0" / "plane.raw").unlink()
        for each in planes:
            with pytest.raises(ImageCorruptError, match=r"'t3/c0/plane\.raw' cannot be read: No such file"):
                each[3]
            assert each[2].shape == (SIDE_PX, SIDE_PX)


@pytest.mark.parametrize("swap", ["file", "folder", "pipe"])
def test_nothing_outside_is_opened_even_if_the_folder_changes(raw_folder: Path, swap: str) -> None:
    outside = raw_folder.parent / "outside"
    outside.mkdir()
    (outside / "plane.raw").write_bytes(bytes(2 * SIDE_PX**2))
    with FolderFiles(raw_folder) as files:
        plane = raw_folder / "t0" / "c0" / "plane.raw"
        plane.unlink()
        if swap == "file":
            plane.symlink_to(outside / "plane.raw")
        elif swap == "pipe":
            os.mkfifo(plane)
        else:
            plane.parent.rmdir()
            plane.parent.symlink_to(outside)
        with pytest.raises(ImageCorruptError, match=r"t0/c0/plane\.raw"):
            files.open("t0/c0/plane.raw")


NEEDS: tuple[dict[str, Any], ...] = (
    {"source": 0, "need": {"name": "../outside"}},
    {"source": 0, "need": {"name": "/etc/hostname"}},
    {"source": 0, "need": {"name": "t9/c0/plane.raw"}},
    {"source": 0, "need": {"name": 7}},
    {"source": 0, "need": {}},
    {"source": 1, "need": {"name": "t0/c0/plane.raw"}},
    {"source": -1, "need": {"name": "t0/c0/plane.raw"}},
    {"source": "0", "need": {"name": "t0/c0/plane.raw"}},
    {"need": {"name": "t0/c0/plane.raw"}},
    {"source": 0, "need": "t0/c0/plane.raw"},
)


@pytest.mark.parametrize("need", NEEDS, ids=str)
def test_a_reading_process_gets_nothing_but_the_files_of_its_folder(
    raw_folder: Path, need: dict[str, Any]
) -> None:
    replies: list[Any] = []

    def serve(connection: socket.socket) -> None:
        with suppress(wire.BrokenMessageError, OSError):
            wire.receive_request(connection)
            wire.send(connection, need)
            replies.append(wire.receive_request(connection))

    with (
        reader_in_a_thread(serve) as reader,
        pytest.raises(ImageCorruptError, match="reader crashes at the header"),
    ):
        reader.open(raw_folder)
    assert not replies


def test_a_reading_process_that_needs_files_for_ever_is_stopped(
    raw_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models_store.image_files.isolation.conversation._MAX_NEEDS", 10)
    replied = []

    def serve(connection: socket.socket) -> None:
        with suppress(wire.BrokenMessageError, OSError):
            wire.receive_request(connection)
            while True:
                wire.send(connection, {"source": 0, "need": {"name": "t0/c0/plane.raw"}})
                _, (descriptor,) = wire.receive_request(connection)
                os.close(descriptor)
                replied.append(descriptor)

    with reader_in_a_thread(serve) as reader, pytest.raises(ImageCorruptError, match="reader crashes"):
        reader.open(raw_folder)
    assert len(replied) == 10


def test_a_folder_of_too_many_files_is_refused(raw_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "MAX_FILES", 4)
    with pytest.raises(ImageTooLargeError, match="more than 4 files"):
        FolderFiles(raw_folder)


def test_a_name_that_is_no_text_is_refused(raw_folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(raw_folder) + b"/\xff")).write_bytes(b"")
    with pytest.raises(ImageUnsupportedError, match="not UTF-8"):
        FolderFiles(raw_folder)


def test_a_folder_that_is_no_set_is_refused_with_what_it_holds(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a")
    with pytest.raises(ClearScopeError, match=r"this is a folder that holds no image set.*'notes.txt'"):
        reader.inspect(tmp_path)


def test_files_of_a_folder_are_read_at_any_place(raw_folder: Path) -> None:
    content = (raw_folder / "t1" / "c0" / "plane.raw").read_bytes()
    with FolderFiles(raw_folder) as files:
        assert files.size_bytes("t1/c0/plane.raw") == len(content)
        stream: BinaryIO
        with files.open("t1/c0/plane.raw") as stream:
            stream.seek(100)
            assert stream.read(10) == content[100:110]
        with pytest.raises(KeyError):
            files.open("t1")
