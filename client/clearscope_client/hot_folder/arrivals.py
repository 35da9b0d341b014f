"""Files and folders that arrive; they are complete once they have stayed as they are for a while."""

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from clearscope_client.errors import SourceUnreadableError
from clearscope_client.exclusive import was_locked
from clearscope_client.hot_folder.ndtiff_index import INDEX_NAME
from clearscope_client.sources import files_below, spelled

IMAGE_SUFFIXES = (
    *(".tif", ".tiff", ".tf2", ".tf8", ".btf", ".lsm", ".stk"),
    *(".czi", ".nd2", ".lif", ".oib", ".oir", ".ims", ".mrc", ".map", ".dm3", ".dm4"),
    *(".dcimg", ".spe", ".sif", ".ozx", ".zip"),
)
_OF_ZARR = (".zattrs", ".zgroup", "zarr.json")
UNFINISHED_SUFFIXES = (".part", ".partial", ".tmp", ".crdownload", "~")


@dataclass(frozen=True)
class Arrival:
    """A file or a folder, as it was found: with the size and the latest time of what it holds.

    `name`: from the watched folder on, with `/` between the names of folders, in UTF-8. `parts`: files of a
    set that lie loose, `missing`: names of others that it should have.
    """

    name: str
    path: Path
    is_folder: bool
    files: int
    size_bytes: int
    changed_ns: int
    parts: tuple["Arrival", ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """Text that differs once the file has changed."""
        return f"{self.files}-{self.size_bytes}-{self.changed_ns}"


def arrivals(folder: Path, left_out: Collection[Path], *, recursive: bool = False) -> Iterator[Arrival]:
    """Yield files and folders in a folder, the oldest first; what vanishes meanwhile is left out.

    `recursive`: look into folders below it, other than those that are an image themselves; the names of what
    is found there begin with those of the folders. Hidden ones, those that are still being copied by their
    names, symbolic links, and folders that another watch or a spool writes into are left out.
    """
    yield from sorted(
        _found(folder, "", left_out, recursive=recursive), key=lambda each: (each.changed_ns, each.name)
    )


def _found(folder: Path, within: str, left_out: Collection[Path], *, recursive: bool) -> list[Arrival]:
    found: list[Arrival] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED_SUFFIXES):
                continue
            path, name = folder / entry.name, within + spelled(entry.name)
            is_folder = entry.is_dir(follow_symlinks=False)
            if path in left_out or (is_folder and was_locked(path)):
                continue
            if recursive and is_folder and not _is_one_image(path):
                found += _below(path, name, left_out)
            else:
                found += look_at(path, name)
    return found


def _below(folder: Path, name: str, left_out: Collection[Path]) -> list[Arrival]:
    try:
        return _found(folder, f"{name}/", left_out, recursive=True)
    except FileNotFoundError:
        return []
    except OSError:
        # Sending it tells why.
        return [Arrival(name, folder, True, 0, 0, 0)]


def _is_one_image(folder: Path) -> bool:
    """Return whether a folder is OME-Zarr or NDTiff, of which single files are no images."""
    return folder.name.lower().endswith(".zarr") or is_zarr(folder) or _has(folder, INDEX_NAME)


def is_zarr(folder: Path) -> bool:
    """Return whether a folder is a Zarr group or array."""
    return any(_has(folder, each) for each in _OF_ZARR)


def _has(folder: Path, name: str) -> bool:
    try:
        return (folder / name).exists()
    except OSError:
        return False  # a folder that may not be entered


def look_at(path: Path, name: str | None = None) -> list[Arrival]:
    """Return what is at a path now, if it is a file or a folder with files."""
    name = name or spelled(path.name)
    try:
        # Not a directory entry's: on Windows that lags behind while the file is written.
        told = path.lstat()
        if stat.S_ISDIR(told.st_mode):
            return _folder(path, name)
    except FileNotFoundError:
        return []
    if not stat.S_ISREG(told.st_mode):
        return []
    return [Arrival(name, path, False, 1, told.st_size, told.st_mtime_ns)]


def is_unchanged(arrival: Arrival) -> bool:
    """Return whether what has arrived is at its place as it was found."""
    return all(
        [each.state for each in look_at(part.path)] == [part.state] for part in arrival.parts or (arrival,)
    )


def is_image(arrival: Arrival) -> bool:
    """Return whether a file is one of images, by its name; a folder may hold a set of any kind."""
    return arrival.is_folder or arrival.name.lower().endswith(IMAGE_SUFFIXES)


def _folder(path: Path, name: str) -> list[Arrival]:
    try:
        told = [file.stat() for file in files_below(path)]
    except FileNotFoundError:
        raise
    except (SourceUnreadableError, OSError):
        # Sending it tells why, if it is still there.
        return [Arrival(name, path, True, 0, 0, 0)] if path.exists() else []
    if not told:
        return []
    size_bytes, changed_ns = sum(each.st_size for each in told), max(each.st_mtime_ns for each in told)
    return [Arrival(name, path, True, len(told), size_bytes, changed_ns)]


class Settling:
    """Remembers since when each arrival has been as it is."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._since_s: dict[str, tuple[str, float]] = {}

    def complete(self, found: Collection[Arrival], now_s: float) -> list[Arrival]:
        """Return those that have not changed for long enough."""
        seen = {each.name: (each.state, self._unchanged_since_s(each, now_s)) for each in found}
        self._since_s = seen
        return [each for each in found if now_s - seen[each.name][1] >= self._settle_s]

    def _unchanged_since_s(self, arrival: Arrival, now_s: float) -> float:
        state, since_s = self._since_s.get(arrival.name, ("", now_s))
        return since_s if state == arrival.state else now_s
