"""Kinds of sets of files, told by the names of the files."""

from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Literal

from models_store.errors import ImageContentError, ImageUnsupportedError
from models_store.image_files.sets.named_files import NamedFiles

SetKind = Literal["zarr", "tiff"]

ZARR_METADATA = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
_TIFF_SUFFIXES = (".tif", ".tiff", ".tf2", ".tf8", ".btf")
_OME_SUFFIXES = (".ome", ".ome.xml")
_SHOWN = 5


def require_set_kind(files: NamedFiles, container: str) -> SetKind:
    """Return the kind of a set; `container` is what holds it ("a ZIP archive").

    Raises ImageUnsupportedError if the files are no set of images, ImageContentError if there are none.
    """
    if not files.names:
        raise ImageContentError(f"this is {container} that holds no files")
    if is_zarr(files):
        return "zarr"
    if is_tiff_set(files):
        return "tiff"
    raise ImageUnsupportedError(
        f"this is {container} that holds no image set; it holds {_listed(files.names)}. Sets are OME-Zarr, "
        "OME-TIFF and Micro-Manager's folders; upload other image files one by one"
    )


def is_tiff_set(files: NamedFiles) -> bool:
    """Return whether a set has TIFF files, or a file that describes some."""
    return any(is_tiff(name) or is_ome_xml(name) or is_ndtiff_index(name) for name in files.names)


def is_tiff(name: str) -> bool:
    """Return whether a file of a set is a TIFF, by its name."""
    return name.lower().endswith(_TIFF_SUFFIXES)


def is_ndtiff_index(name: str) -> bool:
    """Return whether a file of a set is the index of a folder of Micro-Manager's NDTiff."""
    return PurePosixPath(name).name == "NDTiff.index"


def is_ome_xml(name: str) -> bool:
    """Return whether a file of a set describes images in others, by its name."""
    return name.lower().endswith(_OME_SUFFIXES)


def is_zarr(files: NamedFiles) -> bool:
    return any(PurePosixPath(name).name in ZARR_METADATA for name in files.names)


def _listed(names: Collection[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(name) for name in sorted(names)[:_SHOWN]) + more
