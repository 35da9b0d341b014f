"""The images (scenes, series, positions) of a vendor's file."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from openreadout import ImageInfo

from models_store.image_files.header import ImageHeader, ImageLimits, SeriesEntry, VendorKind
from models_store.image_files.images_in_file import ImagesInFile
from models_store.image_files.series_choice import (
    chosen_number,
    require_series_count,
    told_of_series,
    why_unusable,
)
from models_store.image_files.vendor.header import header_of, name_of
from models_store.image_files.vendor.layout import Layout


def choose(
    images: Sequence[ImageInfo], series: int | None, kind: VendorKind, size_bytes: int, limits: ImageLimits
) -> tuple[ImageInfo, ImageHeader]:
    """Return an image of a file and its header: the one with this number, else the only usable one.

    Raises ImageSeriesError if there is none with this number, or if several are usable and none is named;
    and the errors of `header_of`.
    """
    entries = _entries(images, kind, size_bytes, limits)
    number = chosen_number(entries, series, lambda number: entries[number].unusable is None)
    header = header_of(images[number], kind, size_bytes, limits)
    return images[number], told_of_series(header, number, entries, series)


def list_images(
    images: Sequence[ImageInfo],
    kind: VendorKind,
    size_bytes: int,
    limits: ImageLimits,
    recorded: Callable[[ImageInfo], dict[str, Any]],
) -> ImagesInFile:
    """Return the images of a file; raises like `choose` if none is usable.

    `recorded` returns the fields of a header that tell how an image was recorded.
    """
    entries = _entries(images, kind, size_bytes, limits)
    usable = [each.index for each in entries if each.unusable is None] or [0]
    headers = (
        (
            number,
            header_of(images[number], kind, size_bytes, limits).model_copy(update=recorded(images[number])),
        )
        for number in usable
    )
    return ImagesInFile.of(entries, headers)


def _entries(
    images: Sequence[ImageInfo], kind: VendorKind, size_bytes: int, limits: ImageLimits
) -> tuple[SeriesEntry, ...]:
    require_series_count(len(images))
    return tuple(
        _entry(number, image, why_unusable(partial(header_of, image, kind, size_bytes, limits)))
        for number, image in enumerate(images)
    )


def _entry(number: int, image: ImageInfo, unusable: str | None) -> SeriesEntry:
    layout = Layout.of(image)
    return SeriesEntry(
        index=number, name=name_of(image), axes=layout.axes + "YX", shape=layout.shape, unusable=unusable
    )
