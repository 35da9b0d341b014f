"""Prediction of where the directories of further planes are, from the distances between those read so far."""

from collections import deque

_SAME_BYTES = 2**14
"""Reads as near as this are of one directory and its values."""
_DIRECTORY_BYTES = 512
_MOST_AHEAD = 48
_FIRST_AHEAD = 4
_STRIDES = 8
_LEAST_STRIDES = 2
_WIDEST_BYTES = 2**14
_WIDEST_SHARE = 8
"""A window reaches at most an eighth of the distance to either side: the pixels between are not fetched."""


class DirectoryStrides:
    """Distances between directories: equal ones of plain planes, nearly equal ones of compressed planes."""

    def __init__(self) -> None:
        self._last = 0
        self._directory = 0
        self._strides: deque[int] = deque(maxlen=_STRIDES)
        self._ahead = _FIRST_AHEAD
        self._since = _FIRST_AHEAD

    def seen(self, position: int) -> None:
        """Note that bytes at a position are read."""
        near, self._last = abs(position - self._last) <= _SAME_BYTES, position
        if not near:
            self._strides.append(position - self._directory)
            self._directory = position
            self._since += 1

    def windows(self) -> list[tuple[int, int]]:
        """Return where the next directories may be, by their first bytes and the ends; none if unknown.

        More are returned if the directories since the last call were where they had been expected.
        """
        expected, self._since = self._since >= self._ahead, 0
        self._ahead = min(2 * self._ahead, _MOST_AHEAD) if expected else max(self._ahead // 2, 2)
        if len(self._strides) < _LEAST_STRIDES:
            return []
        mean = sum(self._strides) / len(self._strides)
        spread = max(abs(stride - mean) for stride in self._strides)
        widest = min(_WIDEST_BYTES, abs(mean) / _WIDEST_SHARE)
        if spread > widest / 2:
            return []
        found = []
        for step in range(1, self._ahead + 1):
            # Sizes of compressed planes vary independently of each other.
            reach = 2 * spread * step**0.5
            if reach > widest:
                break
            place = self._directory + step * mean
            found.append((int(place - reach), int(place + reach) + _DIRECTORY_BYTES))
        return found
