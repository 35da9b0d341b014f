"""Reading whole TIFF files into memory."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from models_store.errors import ImageError, ImageTooLargeError, InvalidRequestError
from models_store.image_files.tiff.reader import open_planes

TIFF_SUFFIXES = (".tif", ".tiff")


def read_planes(path: Path) -> list[NDArray[Any]]:
    """Read all planes (Y, X) of a file; raise InvalidRequestError if it cannot be read."""
    try:
        with open_planes(path) as planes:
            return list(planes)
    except (ImageError, ImageTooLargeError) as error:
        raise InvalidRequestError(f"{path}: {error.detail}") from error


def tiff_files(place: Path) -> list[Path]:
    """Return the TIFF files of a folder, sorted by name, or else the file `place.tif` or `place.tiff`."""
    if place.is_dir():
        return sorted(path for path in place.iterdir() if path.suffix.lower() in TIFF_SUFFIXES)
    return [path for suffix in TIFF_SUFFIXES if (path := place.with_name(place.name + suffix)).is_file()][:1]
