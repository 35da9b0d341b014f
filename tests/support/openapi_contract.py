"""Compatibility of OpenAPI documents: what clients rely on must stay, additions are allowed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PROSE = frozenset({"description", "summary", "title", "example", "examples", "version", "tags"})
# Property names and path names are data: one that is called "title" counts.
NAMES = frozenset({"properties", "paths", "schemas", "responses", "content", "headers", "mapping"})


def without_prose(node: Any, *, names: bool = False) -> Any:  # any JSON value
    """Return an OpenAPI document without what only people read."""
    if isinstance(node, Mapping):
        return {
            key: without_prose(value, names=not names and key in NAMES)
            for key, value in node.items()
            if names or key not in PROSE
        }
    if isinstance(node, list):
        return [without_prose(value) for value in node]
    return node


def breaking_changes(old: Any, new: Any, place: str = "") -> Iterator[str]:  # any JSON value
    """Yield the places where a document without prose takes away or changes what an older one promised."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key, value in old.items():
            if key not in new:
                yield f"{place}/{key} is gone"
            else:
                yield from breaking_changes(value, new[key], f"{place}/{key}")
        return
    if isinstance(old, list) and isinstance(new, list):
        yield from _breaking_entries(old, new, place)
    elif old != new:
        yield f"{place}: {old!r} became {new!r}"


def _breaking_entries(old: Sequence[Any], new: Sequence[Any], place: str) -> Iterator[str]:
    if place.endswith("/parameters"):
        known = {(each["name"], each["in"]): each for each in new}
        for each in old:
            key = (each["name"], each["in"])
            yield from breaking_changes(each, known.pop(key, None), f"{place}/{each['name']}")
        yield from (
            f"{place}/{name} must be given now" for (name, _), each in known.items() if each.get("required")
        )
    elif place.endswith(("/enum", "/oneOf")):
        yield from (f"{place}/{each} is gone" for each in old if each not in new)
    elif place.endswith("/required"):
        if set(old) != set(new):
            yield f"{place}: {old} became {new}"
    elif len(old) != len(new):
        yield f"{place}: {old} became {new}"
    else:
        for number, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from breaking_changes(before, after, f"{place}/{number}")
