"""The images (scenes, series, positions) that a file holds."""

from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import BaseModel

from models_store.image_files.header import ImageHeader, SeriesEntry


class ImagesInFile(BaseModel, frozen=True):
    """All images of a file, and the headers of those that can be denoised (at least one).

    `entries` is empty if the file holds a single image. Otherwise each header has its number as `series`, but
    not the list of all images, which would be repeated in each.
    """

    entries: tuple[SeriesEntry, ...]
    headers: tuple[ImageHeader, ...]

    @classmethod
    def of(cls, entries: Sequence[SeriesEntry], headers: Iterable[tuple[int, ImageHeader]]) -> Self:
        """Return the images of a file, given the headers of the usable ones with their numbers."""
        if len(entries) == 1:
            return cls(entries=(), headers=tuple(header for _, header in headers))
        return cls(
            entries=tuple(entries),
            headers=tuple(
                header.model_copy(update={"series": number, "series_in_file": ()})
                for number, header in headers
            ),
        )
