"""Names of the files of chunks, and the place of each in the grid of an array."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_NUMBER = "(0|[1-9][0-9]{0,15})"


@dataclass(frozen=True)
class ChunkKeys:
    """Rule for names, which are relative to the array; `lead` is what they begin with."""

    lead: str
    separator: str
    dimensions: int

    def name(self, at: tuple[int, ...]) -> str:
        return self.lead + self.separator.join(map(str, at))

    def places(self, names: Iterable[str], folder: str, grid: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """Yield the places in the grid that names stand for; `folder` is the array's."""
        begin = len(f"{folder}/{self.lead}")
        pattern = re.compile(re.escape(self.separator).join([_NUMBER] * self.dimensions))
        for name in names:
            found = pattern.fullmatch(name, begin) if name.startswith(self.lead, len(folder) + 1) else None
            at = tuple(map(int, found.groups())) if found else ()
            if at and all(index < length for index, length in zip(at, grid, strict=True)):
                yield at
