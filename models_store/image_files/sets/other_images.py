"""Image files that are no part of a set, told by the names of the files."""

from collections.abc import Collection

from models_store.image_files.sets.named_files import NamedFiles

_ALONE_SUFFIXES = (
    *(".czi", ".nd2", ".lif", ".ims", ".mrc", ".spe", ".sif"),
    *(".oir", ".oib", ".oif", ".vsi", ".dcimg", ".dm3", ".dm4", ".zip", ".ozx"),
)
"""Of files that are never part of a set: those of vendors, and archives."""
_SHOWN = 5


def files_read_alone(files: NamedFiles) -> list[str]:
    """Return the names of image files that are read by themselves, not as part of a set."""
    return sorted(name for name in files.names if name.lower().endswith(_ALONE_SUFFIXES))


def told_of_others(others: Collection[str], kind: str) -> tuple[str, ...]:
    """Return a warning about images that are not read because they are beside a set of this kind."""
    if not others:
        return ()
    if len(others) == 1:
        return (
            f"beside the {kind} is another image, {listed(others)}, which is not read; give it by itself",
        )
    told = f"beside the {kind} are {len(others)} other images, {listed(others)}, which are not read"
    return (f"{told}; give them by themselves",)


def listed(names: Collection[str]) -> str:
    """Return the first names, for messages."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in sorted(names)[:_SHOWN]) + more
