"""TIFF files as bytes: locate directory entries, and build files from arbitrary entries."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Field = Literal["tag", "type", "count", "value"]
MOST_PAGES = 20


@dataclass(frozen=True)
class Layout:
    """Byte order and word size: classic TIFF or BigTIFF."""

    order: Literal["<", ">"]
    big: bool

    @property
    def word_bytes(self) -> int:
        """Length of counts and offsets."""
        return 8 if self.big else 4

    def word(self, value: int) -> bytes:
        byteorder: Literal["little", "big"] = "little" if self.order == "<" else "big"
        within: int = value % (1 << 8 * self.word_bytes)
        return within.to_bytes(self.word_bytes, byteorder)

    def short(self, value: int) -> bytes:
        return struct.pack(f"{self.order}H", value % 2**16)

    def place(self, entry_at: int, field: Field) -> tuple[int, int]:
        """Return offset and length of a field of the entry at an offset."""
        start, length = {
            "tag": (0, 2),
            "type": (2, 2),
            "count": (4, self.word_bytes),
            "value": (4 + self.word_bytes, self.word_bytes),
        }[field]
        return entry_at + start, length


@dataclass(frozen=True)
class Entry:
    tag: int
    type: int
    count: int
    value: int


def layout_of(content: bytes | bytearray) -> Layout | None:
    """Return the layout according to the first bytes; None if they are not those of a TIFF."""
    order: Literal["<", ">"] = ">" if content[:2] == b"MM" else "<"
    version = int.from_bytes(content[2:4], "little" if order == "<" else "big")
    return Layout(order, big=version == 43) if version in {42, 43} else None


def entries_of(content: bytes | bytearray) -> list[int]:
    """Return the offsets of the entries of all directories that can be reached."""
    layout = layout_of(content)
    if layout is None:
        return []
    byteorder: Literal["little", "big"] = "little" if layout.order == "<" else "big"
    count_bytes, entry_bytes = (8, 20) if layout.big else (2, 12)
    link_at = 8 if layout.big else 4
    found: list[int] = []
    for _ in range(MOST_PAGES):
        page_at = int.from_bytes(content[link_at : link_at + layout.word_bytes], byteorder)
        count = int.from_bytes(content[page_at : page_at + count_bytes], byteorder)
        if not 0 < page_at < len(content) or count > 100:
            break
        first = page_at + count_bytes
        found += [first + entry * entry_bytes for entry in range(count)]
        link_at = first + count * entry_bytes
    return found


def build(layout: Layout, pages: Sequence[Sequence[Entry]], body: bytes) -> bytes:
    """Build a file: header, body at byte 16, then the directories in order."""
    head = (b"II" if layout.order == "<" else b"MM") + layout.short(43 if layout.big else 42)
    first = 16 + len(body)
    content = head + (layout.short(8) + layout.short(0) if layout.big else b"") + layout.word(first)
    content = content.ljust(16, b"\0") + body
    for number, entries in enumerate(pages):
        content += layout.word(len(entries)) if layout.big else layout.short(len(entries))
        for entry in entries:
            content += layout.short(entry.tag) + layout.short(entry.type)
            content += layout.word(entry.count) + layout.word(entry.value)
        following = len(content) + layout.word_bytes
        content += layout.word(following if number + 1 < len(pages) else 0)
    return content
