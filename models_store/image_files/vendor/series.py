"""Choice of one of several images (scenes, series, positions) in a vendor's file."""

from collections.abc import Sequence

from openreadout import ImageInfo

from models_store.image_files.header import ImageHeader, ImageLimits, SeriesEntry, VendorKind
from models_store.image_files.series_choice import chosen_number, require_series_count, told_of_series
from models_store.image_files.vendor.header import header_of, is_usable, name_of
from models_store.image_files.vendor.layout import Layout


def choose(
    images: Sequence[ImageInfo], series: int | None, kind: VendorKind, size_bytes: int, limits: ImageLimits
) -> tuple[ImageInfo, ImageHeader]:
    """Return an image of a file and its header: the one with this number, else the only usable one.

    Raises ImageSeriesError if there is none with this number, or if several are usable and none is named;
    and the errors of `header_of`.
    """
    require_series_count(len(images))
    entries = [_entry(number, image) for number, image in enumerate(images)]
    number = chosen_number(
        entries, series, lambda number: is_usable(images[number], kind, size_bytes, limits)
    )
    header = header_of(images[number], kind, size_bytes, limits)
    return images[number], told_of_series(header, number, entries, series)


def _entry(number: int, image: ImageInfo) -> SeriesEntry:
    layout = Layout.of(image)
    return SeriesEntry(index=number, name=name_of(image), axes=layout.axes + "YX", shape=layout.shape)
