"""What result files are called."""

from collections import Counter
from collections.abc import Sequence

from models_store.contracts.states import Output
from worker.jobs.inputs import OpenImage

SUFFIXES = (".ome.tiff", ".ome.tif", ".tiff", ".tif")


def result_names(images: Sequence[OpenImage], outputs: Sequence[Output]) -> list[dict[Output, str]]:
    """Name each image's outputs after its file: `cells.ome.tif` gives `cells_denoised.ome.tif`.

    Files of the same name are told apart by their number.
    """
    occurrences = Counter(image.filename for image in images)
    seen: Counter[str] = Counter()
    names = []
    for image in images:
        seen[image.filename] += 1
        number = f"_{seen[image.filename]}" if occurrences[image.filename] > 1 else ""
        stem, suffix = _split(image.filename)
        names.append({output: f"{stem}{number}_{output}{suffix}" for output in outputs})
    return names


def _split(filename: str) -> tuple[str, str]:
    suffix = next((suffix for suffix in SUFFIXES if filename.lower().endswith(suffix)), "")
    return filename[: len(filename) - len(suffix)], suffix or ".tif"
