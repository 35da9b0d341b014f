"""Names of result files."""

import itertools
from collections.abc import Sequence

from models_store.contracts.vocabulary import Output
from worker.jobs.inputs import OpenImage

# File systems allow names of 255 bytes; the rest is for the suffixes appended.
MAX_STEM_BYTES = 200
SUFFIXES = (".ome.tiff", ".ome.tif", ".tiff", ".tif")


def result_names(images: Sequence[OpenImage], outputs: Sequence[Output]) -> list[dict[Output, str]]:
    """Name each image's outputs after its file: `cells.ome.tif` gives `cells_denoised.ome.tif`.

    Duplicate names, compared case-insensitively, are made unique by a number.
    """
    taken: set[str] = set()
    names = []
    for image in images:
        stem, suffix = _split(image.filename)
        for number in itertools.count(1):
            numbered = stem if number == 1 else f"{stem}_{number}"
            named = {output: f"{numbered}_{output}{suffix}" for output in outputs}
            if taken.isdisjoint(name.lower() for name in named.values()):
                break
        taken.update(name.lower() for name in named.values())
        names.append(named)
    return names


def _split(filename: str) -> tuple[str, str]:
    suffix = next((suffix for suffix in SUFFIXES if filename.lower().endswith(suffix)), "")
    stem = filename[: len(filename) - len(suffix)]
    return stem.encode()[:MAX_STEM_BYTES].decode(errors="ignore"), suffix or ".tif"
