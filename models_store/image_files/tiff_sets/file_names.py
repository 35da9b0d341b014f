"""Files of a set, found by the names and UUIDs that its metadata tell."""

import io
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import PurePosixPath
from xml.etree import ElementTree as ET

_MAX_SEARCHED = 1_000
_SEPARATOR = re.compile(r"[/\\]")
_NAMED = 3
_PREFIX = "urn:uuid:"


def root_uuid(xml: str | bytes) -> str | None:
    """Return the UUID of the file that OME-XML belongs to, without reading all of it."""
    content = xml.encode() if isinstance(xml, str) else xml
    try:
        _, root = next(ET.iterparse(io.BytesIO(content), events=("start",)))  # noqa: S314  # see ome_layout
    except (ET.ParseError, StopIteration):
        return None
    return plain_uuid(root.get("UUID"))


def plain_uuid(text: str | None) -> str | None:
    """Return a UUID in lower case without its prefix."""
    return (text or "").strip().lower().removeprefix(_PREFIX) or None


def last_part(name: str) -> str:
    """Return a name without its folders, which may be those of Windows."""
    return _SEPARATOR.split(name)[-1]


def listed(names: Sequence[str]) -> str:
    """Return the first names, for messages."""
    shown = ", ".join(last_part(name) for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


class FileNames:
    """The names of a set's files, by the names that metadata tell, which may have other folders or case.

    `uuid_of` reads the UUID of a TIFF file, for files that were renamed.
    """

    def __init__(
        self, names: Collection[str], tiff_names: Sequence[str], uuid_of: Callable[[str], str | None]
    ) -> None:
        self._same: dict[str, list[str]] = defaultdict(list)
        for name in sorted(names):
            self._same[last_part(name).casefold()].append(name)
        self._tiff_names = tiff_names
        self._uuid_of = uuid_of
        self._by_uuid: dict[str, list[str]] | None = None

    def find(self, told: str | None, uuid: str | None, beside: str) -> str | None:
        """Return the name of a file, of several the one in the folder of `beside`; None if it is missing."""
        candidates = self._same.get(last_part(told).casefold(), []) if told else []
        candidates = candidates or self._with_uuid(plain_uuid(uuid))
        exact = [name for name in candidates if last_part(name) == last_part(told or "")] or candidates
        near = [name for name in exact if PurePosixPath(name).parent == PurePosixPath(beside).parent]
        chosen = near or exact
        return chosen[0] if len(chosen) == 1 else None

    def _with_uuid(self, uuid: str | None) -> list[str]:
        if uuid is None:
            return []
        if self._by_uuid is None:
            self._by_uuid = defaultdict(list)
            for name in self._tiff_names[:_MAX_SEARCHED]:
                if (own := self._uuid_of(name)) is not None:
                    self._by_uuid[own].append(name)
        return self._by_uuid.get(uuid, [])
