"""Ending of streams when the server is told to stop."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def called_on_signals(call: Callable[[], None]) -> Iterator[None]:
    """Call something in the event loop as soon as the process is told to stop.

    uvicorn ends the application's lifespan only after all responses have ended, and streams have no end of
    their own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    earlier = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        handler = earlier[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    taken = [number for number, handler in earlier.items() if callable(handler)]
    for number in taken:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, earlier[number])
