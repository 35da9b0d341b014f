"""Opening of an image in a set of TIFF files."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from models_store.image_files.header import DEFAULT_LIMITS, ImageLimits
from models_store.image_files.planes import PlaneSource
from models_store.image_files.series_choice import (
    chosen_number,
    require_series_count,
    told_of_series,
    why_unusable,
)
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.tiff_sets.members import Members
from models_store.image_files.tiff_sets.ome_documents import read_documents
from models_store.image_files.tiff_sets.ome_header import entry_of, header_of, result_format
from models_store.image_files.tiff_sets.ome_set import images_of, left_out_warning
from models_store.image_files.tiff_sets.planes import SetPlanes


@contextmanager
def open_tiff_set(
    files: NamedFiles, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
) -> Iterator[PlaneSource]:
    """Open an image of a set of TIFF files; `series` is its number if there are several.

    Raises the errors of `inspect_image`, which name the file, and ImageSeriesError.
    """
    with closing(Members(files, limits.planes)) as members:
        documents = read_documents(members)
        images = images_of(documents, members, limits.planes)
        require_series_count(len(images))
        entries = [entry_of(number, image) for number, image in enumerate(images)]

        def usable(number: int) -> bool:
            return why_unusable(partial(header_of, images[number], members, limits)) is None

        number = chosen_number(entries, series, usable)
        header = header_of(images[number], members, limits)
        if left_out := left_out_warning(documents.left_out):
            header = header.model_copy(update={"warnings": (*header.warnings, left_out)})
        header = told_of_series(header, number, entries, series)
        result = partial(result_format, images[number], header)
        yield SetPlanes(header, members, images[number].places, limits, result)
