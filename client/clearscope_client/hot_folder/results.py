"""Names and places of what a hot folder writes."""

import hashlib
import secrets
from pathlib import Path

from clearscope_client.documents import Artifact
from clearscope_client.hot_folder.arrivals import IMAGE_SUFFIXES

_DENOISED = "_denoised"
_DOUBLE = (".ome.tif", ".ome.tiff", ".ome.zarr", ".zarr", ".ome.zarr.zip", ".zarr.zip")


_MOST_BYTES = 255
"""Of a name, in the file systems that are in use."""
_MOST_ENDING = 24


def fitting(name: str) -> str:
    """Return a name that file systems take: a longer one is cut, and told apart by a digest.

    Names of folders before it stay: they are those of folders that there are.
    """
    folders, slash, name = name.rpartition("/")
    return folders + slash + _fitting(name)


def before_name(prefix: str, name: str) -> str:
    """Return a name with a prefix, behind those of folders."""
    folders, slash, name = name.rpartition("/")
    return f"{folders}{slash}{prefix}{name}"


def _fitting(name: str) -> str:
    encoded = name.encode("utf-8", "surrogateescape")
    if len(encoded) <= _MOST_BYTES:
        return name
    _, dot, after = name[-_MOST_ENDING:].partition(".")
    ending = f"-{hashlib.sha256(encoded).hexdigest()[:16]}{dot}{after}"
    room = _MOST_BYTES - len(ending.encode("utf-8", "surrogateescape"))
    return encoded[:room].decode("utf-8", "ignore") + ending


def stem_of(name: str) -> str:
    """Return a file's name without what tells its format."""
    suffixes = sorted((*_DOUBLE, *IMAGE_SUFFIXES), key=len, reverse=True)
    suffix = next((each for each in suffixes if name.lower().endswith(each)), "")
    return name[: len(name) - len(suffix)]


def result_names(artifact: Artifact, sent_as: str, name: str) -> tuple[str, str]:
    """Return the name of a result of the source `name`: that of the source, but for the format.

    The second one is for when there is such a result of another source: of `a.czi` and `a.nd2`, one has
    `a.ome.tif` and the other `a.nd2.ome.tif`. `sent_as`: the name under which the server knows the source;
    that of a copy with the same content may be another.
    """
    if artifact.output is None:
        described = f"{name}.{Path(artifact.download_name or artifact.name).name}"
        return described, described
    told = Path(artifact.name).name
    before = stem_of(sent_as.rpartition("/")[2])
    rest = told.removeprefix(before) if told.startswith(before) else f"-{told}"
    rest = rest.replace(_DENOISED, "", 1)
    return stem_of(name) + rest, name + rest


def error_file(output: Path, name: str) -> Path:
    """Return the file that tells why a source has no result."""
    return output / fitting(f"{name}.error.txt")


def write_error(output: Path, name: str, reason: str) -> None:
    target = error_file(output, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{secrets.token_hex(8)}.part")
    unfinished.write_text(reason + "\n", "utf-8")
    unfinished.replace(target)


def move_into(folder: Path, path: Path, name: str, digest: str) -> Path:
    """Move a source into a folder under a name; one of the same name that is there already keeps it."""
    target, instead = places_of_moved(folder, name, digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Within a file system, hence whole or not at all.
    return path.rename(instead if target.exists() else target)


def places_of_moved(folder: Path, name: str, digest: str) -> tuple[Path, Path]:
    """Return where a source is moved to, and where if another one of its name is there."""
    return folder / name, folder / fitting(before_name(f"{digest[:8]}-", name))
