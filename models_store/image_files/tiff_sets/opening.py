"""Opening of an image in a set of TIFF files, and the list of its images."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from models_store.errors import ImageError, ImageTooLargeError
from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits
from models_store.image_files.images_in_file import ImagesInFile
from models_store.image_files.planes import PlaneSource
from models_store.image_files.series_choice import (
    chosen_number,
    require_series_count,
    told_of_series,
    why_unusable,
)
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.tiff_sets.candidates import Candidates, candidates_in


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
        header = _told(found.images[number].header(), found)
        yield found.images[number].planes(told_of_series(header, number, entries, series))


def list_tiff_set(files: NamedFiles, limits: ImageLimits = DEFAULT_LIMITS) -> ImagesInFile:
    """List the images of a set of TIFF files; raises like `open_tiff_set` if none is usable."""
    with ExitStack() as stack:
        found = candidates_in(files, limits, stack)
        require_series_count(len(found.images))
        headers: dict[int, ImageHeader] = {}
        entries = []
        for number, image in enumerate(found.images):
            unusable = None
            try:
                headers[number] = _told(image.header(), found)
            except (ImageError, ImageTooLargeError) as error:
                unusable = error.detail
            entries.append(image.entry.model_copy(update={"unusable": unusable}))
        if not headers:
            found.images[0].header()  # raises
        return ImagesInFile.of(entries, headers.items())


def _told(header: ImageHeader, found: Candidates) -> ImageHeader:
    """Return a header with what is to know of the files of the set."""
    return header.model_copy(update={"warnings": (*header.warnings, *found.warnings)})
