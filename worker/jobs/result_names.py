"""Names of result files."""

import itertools
from collections.abc import Sequence
from typing import get_args

from models_store.contracts.vocabulary import Output
from models_store.image_files.header import FileKind, VendorKind
from worker.jobs.inputs import OpenImage

# File systems allow names of 255 bytes; the rest is for the suffixes appended.
MAX_STEM_BYTES = 200
TIFF_SUFFIXES = (".ome.tiff", ".ome.tif", ".tiff", ".tif")


def result_names(images: Sequence[OpenImage], outputs: Sequence[Output]) -> list[dict[Output, str]]:
    """Name each image's outputs after its file: `cells.ome.tif` gives `cells_denoised.ome.tif`.

    Results of vendors' files are OME-TIFFs: `cells.czi` gives `cells_denoised.ome.tif` too.
    Duplicate names, compared case-insensitively, are made unique by a number.
    """
    taken: set[str] = set()
    names = []
    for image in images:
        stem, suffix = _split(image.filename, image.reader.header.file_kind)
        for number in itertools.count(1):
            numbered = stem if number == 1 else f"{stem}_{number}"
            named = {output: f"{numbered}_{output}{suffix}" for output in outputs}
            if taken.isdisjoint(name.lower() for name in named.values()):
                break
        taken.update(name.lower() for name in named.values())
        names.append(named)
    return names


def _split(filename: str, kind: FileKind) -> tuple[str, str]:
    """Return the stem of a file's name, and the suffix of its results."""
    of_vendor = kind in get_args(VendorKind)
    suffixes = (f".{kind}",) if of_vendor else TIFF_SUFFIXES
    suffix = next((suffix for suffix in suffixes if filename.lower().endswith(suffix)), "")
    stem = filename[: len(filename) - len(suffix)]
    result_suffix = ".ome.tif" if of_vendor else suffix or ".tif"
    return stem.encode()[:MAX_STEM_BYTES].decode(errors="ignore"), result_suffix
