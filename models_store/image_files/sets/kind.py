"""Kinds of sets of files, told by the names of the files."""

from pathlib import PurePosixPath
from typing import Literal

from models_store.errors import ImageContentError, ImageUnsupportedError
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.sets.other_images import files_read_alone, listed

SetKind = Literal["zarr", "tiff"]

ZARR_METADATA = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
_TIFF_SUFFIXES = (".tif", ".tiff", ".tf2", ".tf8", ".btf")
_OME_SUFFIXES = (".ome", ".ome.xml")


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
    if alone := files_read_alone(files):
        raise ImageUnsupportedError(_without_set(alone, container))
    raise ImageUnsupportedError(
        f"this is {container} that holds no image set; it holds {listed(files.names)}. Sets are OME-Zarr, "
        "OME-TIFF and Micro-Manager's folders; upload other image files one by one"
    )


def _without_set(alone: list[str], container: str) -> str:
    without = f"without the {container.removeprefix('a ')}"
    if len(alone) == 1:
        return (
            f"this is {container} that holds no image set, but an image, {listed(alone)}; give it {without}"
        )
    images = f"{len(alone)} images, {listed(alone)}"
    return (
        f"this is {container} that holds no image set, but {images}; give each of them by itself, {without}"
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
