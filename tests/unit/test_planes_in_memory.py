"""Planes are read once however many ask for them, and no more memory is used than allowed."""

import errno
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from app.http.dependencies import Services
from app.viewing.desk import Desk
from app.viewing.kept_planes import KeptPlanes
from app.viewing.layers import StoredImage, View
from app.viewing.planes_in_memory import PlanesInMemory
from app.viewing.pyramids import Pyramid, pyramid_bytes
from app.viewing.rooms import on_disk
from models_store.errors import ImageTooLargeError, RequestAbandonedError, StorageFullError
from models_store.image_files.header import ImageHeader
from models_store.image_files.isolation.own_file import Allocate
from models_store.settings import Settings

PLANE_YX = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


async def _wanted() -> bool:
    return True


async def _given_up() -> bool:
    return False


class Reads:
    """Counts how often planes are read; the first reading waits until it is released."""

    def __init__(self) -> None:
        self.count = 0
        self.begun, self.go_on = anyio.Event(), threading.Event()

    def load(self, _: Allocate) -> NDArray[Any]:
        self.count += 1
        anyio.from_thread.run_sync(self.begun.set)
        assert self.go_on.wait(60)
        return PLANE_YX


def in_memory(test: Callable[[PlanesInMemory, Reads], Any]) -> None:
    async def run() -> None:
        with anyio.fail_after(60):
            await test(PlanesInMemory(Settings()), Reads())

    anyio.run(run)


def test_a_plane_that_several_ask_for_at_once_is_read_once() -> None:
    async def test(memory: PlanesInMemory, reads: Reads) -> None:
        found: list[Pyramid] = []

        async def ask() -> None:
            found.append(await memory.once("plane", reads.load, _wanted))

        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(ask)
            await reads.begun.wait()
            reads.go_on.set()
        assert reads.count == 1
        assert all(each is found[0] for each in found)

    in_memory(test)


def test_what_was_read_for_a_cancelled_request_serves_the_next_one() -> None:
    async def test(memory: PlanesInMemory, reads: Reads) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(memory.once, "plane", reads.load, _wanted)
            await reads.begun.wait()
            tasks.cancel_scope.cancel()
            reads.go_on.set()
        found = await memory.once("plane", reads.load, _wanted)
        np.testing.assert_array_equal(found.levels[0], PLANE_YX)
        assert reads.count == 1

    in_memory(test)


def test_a_plane_that_nobody_waits_for_any_more_is_not_read() -> None:
    async def test(memory: PlanesInMemory, reads: Reads) -> None:
        with pytest.raises(RequestAbandonedError):
            await memory.once("plane", reads.load, _given_up)
        assert reads.count == 0

    in_memory(test)


@pytest.mark.parametrize(
    ("viewed_planes_bytes", "most_held"),
    [
        pytest.param(300_000, 4, id="small: two requests at once, with two planes each"),
        pytest.param(1, 2, id="large: one request at a time"),
    ],
)
def test_residuals_that_wait_hold_no_planes(
    monkeypatch: pytest.MonkeyPatch, viewed_planes_bytes: int, most_held: int
) -> None:
    read: list[weakref.ref[NDArray[Any]]] = []
    held: list[int] = []

    def read_plane(*_: object) -> NDArray[Any]:
        plane_yx = np.ones((300, 300), np.float32)  # more than is kept
        read.append(weakref.ref(plane_yx))
        held.append(sum(each() is not None for each in read))
        return plane_yx

    monkeypatch.setattr("app.viewing.planes_in_memory.read_plane", read_plane)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    none_kept = PlanesInMemory(Settings(viewed_planes_bytes=viewed_planes_bytes, large_planes_bytes=1))

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(10):
                view = View(_stored(f"image {number}"), minus=_stored(f"result {number}"))
                tasks.start_soon(Desk(none_kept, MagicMock(Services), view, _wanted).value_range, 0)

    anyio.run(run)
    assert len(read) == 20
    assert max(held) <= most_held


def test_whoever_has_left_gets_no_place() -> None:
    async def test(memory: PlanesInMemory, _: Reads) -> None:
        with pytest.raises(RequestAbandonedError):
            async with memory.looking(View(_stored("image")), _given_up):
                raise AssertionError

    in_memory(test)


@pytest.mark.parametrize(
    ("dtype", "view", "pixel_bytes"),
    [
        ("uint8", lambda image, _: View(image), [1]),
        ("uint16", lambda image, _: View(image), [2]),
        ("uint16", lambda _, result: View(result), [4]),
        ("float64", lambda _, result: View(result), [8]),
        ("uint8", lambda image, result: View(image, minus=result), [4, 1, 4]),
        ("int32", lambda image, result: View(image, minus=result), [8, 4, 4]),
    ],
)
def test_results_and_residuals_are_counted_with_the_bytes_that_they_take(
    dtype: str, view: Callable[[StoredImage, StoredImage], View], pixel_bytes: list[int]
) -> None:
    image, result = _stored("image", dtype), replace(_stored("result", dtype), is_result=True)
    looked_at = view(image, result)
    needed = sum(pyramid_bytes(64 * 64 * each) for each in pixel_bytes)
    PlanesInMemory(Settings(viewed_planes_bytes=1, large_planes_bytes=needed)).require_room(looked_at)
    with pytest.raises(ImageTooLargeError, match="64 x 64 pixels"):
        PlanesInMemory(Settings(viewed_planes_bytes=1, large_planes_bytes=needed - 1)).require_room(looked_at)


def _stored(sha256: str, dtype: str = "float32") -> StoredImage:
    header = ImageHeader(
        axes="YX",
        shape=PLANE_YX.shape,
        dtype=dtype,
        planes=1,
        height_px=64,
        width_px=64,
        pixel_size_um=None,
        channel_names=(),
        file_kind="tiff",
        decoded_bytes=PLANE_YX.nbytes,
    )
    return StoredImage(header, sha256, sha256)


def test_planes_that_were_looked_at_last_are_kept() -> None:
    plane = Pyramid.of(PLANE_YX)
    kept = KeptPlanes(2 * plane.size_bytes)
    kept.keep("first", plane)
    kept.keep("second", plane)
    assert kept.get("first") is plane
    kept.keep("third", plane)
    assert kept.get("second") is None
    assert kept.get("first") is kept.get("third") is plane
    assert kept.size_bytes == 2 * plane.size_bytes
    kept.keep("large", Pyramid.of(np.zeros((512, 512), np.uint16)))
    assert kept.get("large") is None
    assert kept.size_bytes == 2 * plane.size_bytes


def test_a_large_plane_lies_in_a_file_and_not_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, int]] = []

    def recorded(shape_yx: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
        made.append(shape_yx)
        return on_disk(shape_yx, dtype)

    monkeypatch.setattr("app.viewing.planes_in_memory.on_disk", recorded)
    plane_yx = np.random.default_rng(0).integers(0, 60_000, (700, 1100)).astype(np.uint16)

    def load(allocate: Allocate) -> NDArray[Any]:
        target_yx = allocate(plane_yx.shape, plane_yx.dtype)
        target_yx[...] = plane_yx
        return target_yx

    async def run() -> None:
        memory = PlanesInMemory(Settings(viewed_planes_bytes=1000))
        found = await memory.once("plane", load, _wanted, pyramid_bytes(plane_yx.nbytes))
        expected = Pyramid.of(plane_yx)
        for one_yx, other_yx in zip(found.levels, expected.levels, strict=True):
            np.testing.assert_array_equal(one_yx, other_yx)
        assert await memory.once("plane", load, _wanted, pyramid_bytes(plane_yx.nbytes)) is found

    anyio.run(run)
    assert made == [(700, 1100), (350, 550), (175, 275)]


def test_planes_make_room_before_a_large_one_is_read_and_not_for_one_that_is_refused() -> None:
    needed = pyramid_bytes(PLANE_YX.nbytes)
    limit = needed + 10_000
    memory = PlanesInMemory(Settings(viewed_planes_bytes=1, large_planes_bytes=limit))
    kept: list[weakref.ref[Pyramid]] = []

    def refused(_: Allocate) -> NDArray[Any]:
        raise ImageTooLargeError("refused")

    def load(allocate: Allocate) -> NDArray[Any]:
        target_yx = allocate(PLANE_YX.shape, PLANE_YX.dtype)
        assert sum(each() is not None for each in kept) == min(len(kept), 1)
        target_yx[...] = PLANE_YX
        return target_yx

    async def run() -> None:
        for number in range(4):
            kept.append(weakref.ref(await memory.once(f"plane {number}", load, _wanted, needed)))
            with pytest.raises(ImageTooLargeError):
                await memory.once("other", refused, _wanted, needed)
            assert kept[-1]() is not None

    anyio.run(run)


def test_a_plane_for_which_the_disk_has_no_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(StorageFullError, match="a plane of 300 x 200 pixels needs 120000 bytes"):
        on_disk((200, 300), np.dtype(np.uint16))
