"""Prefetching: concurrent, in order, bounded, and always shut down."""

import threading
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from worker.planes.prefetch import prefetch

PATIENCE_S = 30.0  # for events that happen at once unless the code is broken


class SourceError(Exception):
    pass


class Source:
    """Iterable that counts the items it has produced, and records whether it was closed."""

    def __init__(self, items: int, fails_at: int | None = None) -> None:
        self.items, self.fails_at = items, fails_at
        self.made = 0
        self.closed = False
        self.threads: set[str] = set()
        self.events = [threading.Event() for _ in range(items)]

    def __iter__(self) -> Iterator[int]:
        try:
            for item in range(self.items):
                if item == self.fails_at:
                    raise SourceError(f"item {item}")
                self.made += 1
                self.threads.add(threading.current_thread().name)
                self.events[item].set()
                yield item
        finally:
            self.closed = True


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@pytest.mark.parametrize("depth", [1, 3])
def test_the_next_items_are_made_while_one_is_used(depth: int) -> None:
    source = Source(10)
    with prefetch(iter(source), depth=depth) as items:
        for used, item in enumerate(items):
            assert item == used
            for event in source.events[used : used + depth + 1]:
                assert event.wait(PATIENCE_S), "nothing is made while an item is used"
            assert source.made <= used + 1 + depth
    assert source.made == 10
    assert source.closed
    assert threading.current_thread().name not in source.threads
    assert _threads() == []


def test_an_error_follows_the_items_produced_before_it() -> None:
    with prefetch(iter(Source(5, fails_at=2))) as items:
        assert [next(items), next(items)] == [0, 1]
        with pytest.raises(SourceError, match="item 2"):
            next(items)


def test_stopping_early_stops_the_thread() -> None:
    source = Source(1000)
    with prefetch(iter(source)) as read, prefetch(map(str, read)) as made:
        assert next(made) == "0"
    assert source.closed
    assert source.made < 10
    assert _threads() == []


def test_an_error_passes_through_chained_prefetches() -> None:
    source = Source(1000)

    def computed(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            if item == 3:
                raise SourceError("computing")
            yield item

    with prefetch(iter(source)) as read, prefetch(computed(read)) as made:
        assert [next(made) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(SourceError, match="computing"):
            next(made)
    assert source.closed
    assert source.made < 10


def test_the_thread_has_the_context_variables_of_its_creator() -> None:
    job = ContextVar("job", default="none")
    job.set("job_1")
    with prefetch(job.get() for _ in range(3)) as items:
        assert list(items) == ["job_1"] * 3
