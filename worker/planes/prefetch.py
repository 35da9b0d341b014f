"""Prefetch iterator: reading, computing and writing of planes overlap."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar, cast

_Item = TypeVar("_Item")
_END = object()


@contextmanager
def prefetch(items: Iterable[_Item], *, depth: int = 1) -> Iterator[Iterator[_Item]]:
    """Iterate in a background thread, up to `depth` items ahead of the consumer.

    Order and exceptions are preserved. Leaving the block waits for the item being computed, and closes the
    source.
    """
    source = iter(items)
    # Log records of the thread keep the job's logging context.
    context = copy_context()
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as thread:

        def next_item() -> object:
            return context.run(lambda: next(source, _END))

        def prefetched() -> Iterator[_Item]:
            pending = deque(thread.submit(next_item) for _ in range(depth))
            while (item := pending.popleft().result()) is not _END:
                pending.append(thread.submit(next_item))
                yield cast("_Item", item)

        try:
            yield prefetched()
        finally:
            thread.shutdown(cancel_futures=True)
            if (close := getattr(source, "close", None)) is not None:
                close()
