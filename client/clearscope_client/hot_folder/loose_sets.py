"""Sets of OME-TIFF or NDTiff files that lie loose among others: one image, once all files are there."""

import html
import re
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import tifffile

from clearscope_client.hot_folder.arrivals import Arrival
from clearscope_client.hot_folder.ndtiff_index import INDEX_NAME, indexed_files

_COMPANION = ".companion.ome"
_ENDINGS = (".ome.tif", ".ome.tiff", ".ome.tf2", ".ome.tf8", ".ome.btf", _COMPANION)
_WITHOUT_PIXELS = (_COMPANION, INDEX_NAME.lower())
_FILE = re.compile(r'<(?:\w+:)?UUID\b[^>]*?\bFileName="([^"]+)"')
_METADATA = re.compile(r'<(?:\w+:)?BinaryOnly\b[^>]*?\bMetadataFile="([^"]+)"')


class LooseSets:
    """Joins the files of each set by the names in their OME-XML or in an index of NDTiff.

    A file that stays the same is read once.
    """

    def __init__(self) -> None:
        self._read: dict[str, tuple[str, frozenset[str]]] = {}

    def joined(self, found: Sequence[Arrival]) -> list[Arrival]:
        """Return what was found, with one arrival for all files of a set, in the place of its last one.

        Its name is that of the first file by name; `missing` has the files that are not there.
        """
        by_name = {each.name: each for each in found if not each.is_folder}
        named = {name: self._named_in(each) for name, each in by_name.items() if _tells_of_others(each)}
        self._read = {name: self._read[name] for name in named}
        sets = [
            as_one([by_name[name] for name in names if name in by_name], names - by_name.keys())
            for names in _connected(named)
        ]
        in_sets = {part.name for each in sets for part in each.parts}
        alone = [each for each in found if each.name not in in_sets]
        return sorted((*alone, *sets), key=lambda each: (each.changed_ns, each.name))

    def _named_in(self, arrival: Arrival) -> frozenset[str]:
        """Return the names of the files of an image that a file tells of, from the watched folder on."""
        state, names = self._read.get(arrival.name, ("", frozenset()))
        if state != arrival.state:
            folder = arrival.name.rpartition("/")[0]
            names = frozenset(f"{folder}/{name}" if folder else name for name in _file_names(arrival))
            self._read[arrival.name] = arrival.state, names
        return names


def _tells_of_others(arrival: Arrival) -> bool:
    return arrival.path.name == INDEX_NAME or arrival.name.lower().endswith(_ENDINGS)


def _file_names(arrival: Arrival) -> Iterator[str]:
    own = arrival.path.name
    try:
        if own == INDEX_NAME:
            yield from {name for name in indexed_files(arrival.path.read_bytes()) if _is_beside(name)}
            return
        if own.lower().endswith(_COMPANION):
            text = arrival.path.read_text("utf-8", "replace")
        else:
            with tifffile.TiffFile(arrival.path) as tiff:
                text = tiff.pages.first.description
    except (OSError, ValueError, LookupError, TypeError, struct.error):
        return  # not complete yet, or damaged: it is sent alone, and the server tells why
    files = {html.unescape(name) for name in _FILE.findall(text)}
    if own not in files and not own.lower().endswith(_COMPANION):
        files = set()  # of a file that was renamed, or copied, the others are no longer there
    for name in (*files, *map(html.unescape, _METADATA.findall(text))):
        if _is_beside(name):
            yield name


def _is_beside(name: str) -> bool:
    return "/" not in name and "\\" not in name


def _connected(named: dict[str, frozenset[str]]) -> Iterable[set[str]]:
    """Return sets of two or more names that are connected by who names whom."""
    neighbours: dict[str, set[str]] = defaultdict(set)
    for name, others in named.items():
        for other in others:
            neighbours[name].add(other)
            neighbours[other].add(name)
    seen: set[str] = set()
    for name in sorted(neighbours):
        if name in seen:
            continue
        group, reached = set(), [name]
        while reached:
            if (next_name := reached.pop()) not in group:
                group.add(next_name)
                reached += neighbours[next_name]
        seen |= group
        if len(group) > 1:
            yield group


def as_one(parts: Iterable[Arrival], missing: Iterable[str] = ()) -> Arrival:
    """Return one arrival for the files of a set."""
    parts = sorted(parts, key=lambda each: each.name)
    first = next((each for each in parts if not each.name.lower().endswith(_WITHOUT_PIXELS)), parts[0])
    return replace(
        first,
        files=len(parts),
        size_bytes=sum(each.size_bytes for each in parts),
        changed_ns=max(each.changed_ns for each in parts),
        parts=tuple(parts),
        missing=tuple(sorted(missing)),
    )
