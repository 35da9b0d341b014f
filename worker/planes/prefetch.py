"""Reading, computing and writing at the same time: each makes the next plane while the last one is used."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import TypeVar, cast

_Item = TypeVar("_Item")
_END = object()


@contextmanager
def prefetch(items: Iterable[_Item], *, ahead: int = 1) -> Iterator[Iterator[_Item]]:
    """Iterate in a thread of its own, up to `ahead` items before they are asked for.

    Order and errors stay as they are. Leaving the block, for whatever reason, waits for the item that is in
    the making, and closes the source.
    """
    source = iter(items)
    # So that what the thread logs still says to which job it belongs.
    context = copy_context()
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:

        def make() -> object:
            return context.run(lambda: next(source, _END))

        def taken() -> Iterator[_Item]:
            coming = deque(thread.submit(make) for _ in range(ahead))
            while (item := coming.popleft().result()) is not _END:
                coming.append(thread.submit(make))
                yield cast("_Item", item)

        try:
            yield taken()
        finally:
            thread.shutdown(cancel_futures=True)
            if (close := getattr(source, "close", None)) is not None:
                close()
