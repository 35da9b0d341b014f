"""Planes are read once however many ask for them, and no more memory is used than allowed."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray

from app.viewing.kept_planes import KeptPlanes
from app.viewing.planes_in_memory import PlanesInMemory
from app.viewing.pyramids import Pyramid
from models_store.errors import RequestAbandonedError
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

    def load(self) -> NDArray[Any]:
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
