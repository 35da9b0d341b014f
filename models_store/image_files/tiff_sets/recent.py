"""A bounded number of open files; the one that was used longest ago is closed first."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Generic, TypeVar

MAX_OPEN = 64

Opened = TypeVar("Opened")


class RecentFiles(Generic[Opened]):
    """Files by name, opened when they are needed; `open_file` puts what closes a file on the stack."""

    def __init__(self, open_file: Callable[[str, ExitStack], Opened]) -> None:
        self._open_file = open_file
        self._files: OrderedDict[str, tuple[Opened, ExitStack]] = OrderedDict()

    def __getitem__(self, name: str) -> Opened:
        entry = self._files.pop(name, None)
        if entry is None:
            while len(self._files) >= MAX_OPEN:
                self._files.popitem(last=False)[1][1].close()
            with ExitStack() as stack:
                entry = self._open_file(name, stack), stack.pop_all()
        self._files[name] = entry
        return entry[0]

    def close(self) -> None:
        while self._files:
            self._files.popitem()[1][1].close()
