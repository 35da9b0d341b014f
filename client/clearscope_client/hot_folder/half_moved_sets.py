"""Loose sets that have been dealt with, of which some files are no longer there: moved, or taken away."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clearscope_client.hot_folder.arrivals import Arrival, look_at
from clearscope_client.hot_folder.journal import Entry, Journal
from clearscope_client.hot_folder.loose_sets import as_one
from clearscope_client.hot_folder.results import places_of_moved


def rests_of_moved(found: Sequence[Arrival], journal: Journal, moved_to: Path) -> list[Arrival]:
    """Return one arrival for what is left of each set, with name and state of the whole set.

    A set counts only if its files, here and where they are moved to, are those that were sent.
    """
    left: dict[str, list[Arrival]] = defaultdict(list)
    for each in found:
        entry = journal.of_part(each.name)
        # Of a name that has had another image since, nothing is left to be moved.
        if entry is not None and entry.state == "done" and journal.of_name(entry.name) == entry:
            left[entry.name].append(each)
    return [rest for name, parts in left.items() if (rest := _rest(parts, journal.of_name(name), moved_to))]


def is_rest_of_sent(found: Arrival, journal: Journal) -> bool:
    """Return whether the files of a set that lacks others are left of one that was sent, by their times."""
    entry = journal.of_part(found.parts[0].name)
    if entry is None or entry.state != "done":
        return False
    names, sent_ns = {part.name for part in found.parts}, int(entry.file_state.rpartition("-")[2])
    return names < set(entry.parts) and found.changed_ns <= sent_ns


def _rest(parts: Sequence[Arrival], entry: Entry | None, moved_to: Path) -> Arrival | None:
    if entry is None or len(parts) == len(entry.parts):
        return None
    here = {part.name for part in parts}
    moved = [each for name in entry.parts if name not in here for each in _moved(entry, name, moved_to)]
    whole = as_one([*parts, *moved])
    if whole.state != entry.file_state:
        return None
    return replace(whole, name=entry.name, path=parts[0].path, parts=tuple(parts))


def _moved(entry: Entry, name: str, moved_to: Path) -> list[Arrival]:
    place, instead = places_of_moved(moved_to, name, entry.digest)
    return look_at(instead, name) or look_at(place, name)
