"""Compound files (OLE 2, MS-CFB version 3) with streams in the root and in storages of it."""

import struct
from collections.abc import Mapping
from pathlib import Path

_SECTOR_BYTES, _ENTRY_BYTES, _CUTOFF_BYTES = 512, 128, 4096
_FREE, _END, _FAT_SECTOR, _NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_BLACK = 1
_PER_SECTOR = _SECTOR_BYTES // 4


def write_compound_file(
    path: Path, streams: Mapping[str, bytes], storages: Mapping[str, Mapping[str, bytes]]
) -> Path:
    """Write streams by name, and those of storages; each has 4,096 bytes or more: none is a mini stream."""
    directory = _Directory()
    top = {name: directory.add(name, _STREAM, content) for name, content in streams.items()}
    for name, within in storages.items():
        children = {each: directory.add(each, _STREAM, content) for each, content in within.items()}
        top[name] = directory.add(name, _STORAGE, child=directory.tree(children))
    directory.set_root(directory.tree(top))
    path.write_bytes(directory.file())
    return path


class _Directory:
    """Entries of the directory, and the sectors of their streams."""

    def __init__(self) -> None:
        self._entries: list[dict[str, int | str]] = [
            {"name": "Root Entry", "kind": _ROOT, "start": _END, "size": 0}
        ]
        self._sectors: list[bytes] = []
        self._next: list[int] = []

    def add(self, name: str, kind: int, content: bytes = b"", child: int = _NONE) -> int:
        start = 0 if kind == _STORAGE else self._stored(content)
        self._entries.append(
            {"name": name, "kind": kind, "start": start, "size": len(content), "child": child}
        )
        return len(self._entries) - 1

    def tree(self, numbers: Mapping[str, int]) -> int:
        """Link entries as a balanced tree in the order of their names; return the number of its top."""
        ordered = [numbers[name] for name in sorted(numbers, key=lambda name: (len(name), name.upper()))]
        return self._linked(ordered)

    def set_root(self, child: int) -> None:
        self._entries[0]["child"] = child

    def file(self) -> bytes:
        content = b"".join(map(self._entry, self._entries))
        directory_at = self._stored(content)
        count = 1
        while count * _PER_SECTOR < len(self._next) + count:
            count += 1
        fat_at = len(self._next)
        table = [*self._next, *[_FAT_SECTOR] * count]
        table += [_FREE] * (count * _PER_SECTOR - len(table))
        fat = struct.pack(f"<{len(table)}I", *table)
        places = [*range(fat_at, fat_at + count)]
        header = struct.pack(
            "<8s16xHHHHH6xIIIIIIIII",
            *(bytes.fromhex("d0cf11e0a1b11ae1"), 0x3E, 3, 0xFFFE, 9, 6),
            *(0, count, directory_at, 0, _CUTOFF_BYTES, _END, 0, _END, 0),
        )
        header += struct.pack("<109I", *places, *[_FREE] * (109 - count))
        return header + b"".join(self._sectors) + fat

    def _linked(self, ordered: list[int]) -> int:
        if not ordered:
            return _NONE
        middle = len(ordered) // 2
        top = ordered[middle]
        self._entries[top]["left"] = self._linked(ordered[:middle])
        self._entries[top]["right"] = self._linked(ordered[middle + 1 :])
        return top

    def _stored(self, content: bytes) -> int:
        """Append sectors; return the number of the first."""
        first = len(self._next)
        count = -(-len(content) // _SECTOR_BYTES)
        self._next += [*range(first + 1, first + count), _END]
        padded = content.ljust(count * _SECTOR_BYTES, b"\0")
        self._sectors.append(padded)
        return first

    @staticmethod
    def _entry(entry: Mapping[str, int | str]) -> bytes:
        name = str(entry["name"]).encode("utf-16-le") + b"\0\0"
        links = [entry.get(each, _NONE) for each in ("left", "right", "child")]
        return struct.pack(
            "<64sHBBIII16xI16xIQ",
            name,
            len(name),
            entry["kind"],
            _BLACK,
            *links,
            0,
            entry["start"],
            entry["size"],
        )
