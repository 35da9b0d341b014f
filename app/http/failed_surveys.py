"""Images whose surveys fail again and again, so that asking for their previews stops trying."""

from collections import OrderedDict
from threading import Lock
from typing import Final

MAX_TRIES: Final = 3
"""A busy server may be too slow for a survey once or twice."""
_MOST = 10_000


class FailedSurveys:
    """Numbers of failures of the images that failed last; an update, which restarts, forgets them."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def gave_up(self, image_id: str) -> bool:
        with self._lock:
            return self._failures.get(image_id, 0) >= MAX_TRIES

    def add(self, image_id: str) -> None:
        with self._lock:
            self._failures[image_id] = self._failures.pop(image_id, 0) + 1
            if len(self._failures) > _MOST:
                self._failures.popitem(last=False)
