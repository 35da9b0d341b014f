"""Opening of an image in a set of TIFF files, and the list of its images."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from models_store.image_files.header import DEFAULT_LIMITS, ImageLimits
from models_store.image_files.planes import PlaneSource
from models_store.image_files.series_choice import (
    chosen_number,
    require_series_count,
    told_of_series,
    why_unusable,
)
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.tiff_sets.candidates import candidates_in


@contextmanager
def open_tiff_set(
    files: NamedFiles, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
) -> Iterator[PlaneSource]:
    """Open an image of a set of TIFF files; `series` is its number if there are several.

    Raises the errors of `inspect_image`, which name the file, and ImageSeriesError.
    """
    with ExitStack() as stack:
        found = candidates_in(files, limits, stack)
        require_series_count(len(found.images))
        entries = [each.entry for each in found.images]

        def is_usable(number: int) -> bool:
            reason = why_unusable(found.images[number].header)
            entries[number] = entries[number].model_copy(update={"unusable": reason})
            return reason is None

        number = chosen_number(entries, series, is_usable)
        header = found.images[number].header()
        header = header.model_copy(update={"warnings": (*header.warnings, *found.warnings)})
        yield found.images[number].planes(told_of_series(header, number, entries, series))
