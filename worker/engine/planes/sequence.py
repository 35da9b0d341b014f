"""Sequences of planes (Y, X), the form in which the engine takes images."""

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray


class PlaneSequence(Protocol):
    """Planes (Y, X) of any real type, in ADU, perhaps streamed from files; never modified."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[Any]: ...


class JoinedPlanes:
    """The planes of several sequences, one after the other."""

    def __init__(self, sequences: Sequence[PlaneSequence]) -> None:
        self._places = [(planes, index) for planes in sequences for index in range(len(planes))]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int, /) -> NDArray[Any]:
        planes, place = self._places[index]
        return planes[place]
