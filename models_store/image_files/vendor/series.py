"""Choice of one of several images (scenes, series, positions) in a vendor's file."""

from collections.abc import Sequence

from openreadout import ImageInfo

from models_store.errors import ImageContentError, ImageSeriesError, ImageTooLargeError
from models_store.image_files.header import ImageHeader, ImageLimits, SeriesEntry, VendorKind
from models_store.image_files.vendor.header import header_of, is_usable, name_of
from models_store.image_files.vendor.layout import Layout

_MAX_SERIES = 10_000
_SHOWN = 20


def choose(
    images: Sequence[ImageInfo], series: int | None, kind: VendorKind, size_bytes: int, limits: ImageLimits
) -> tuple[ImageInfo, ImageHeader]:
    """Return an image of a file and its header: the one with this number, else the only usable one.

    Raises ImageSeriesError if there is none with this number, or if several are usable and none is named;
    and the errors of `header_of`.
    """
    if not images:
        raise ImageContentError("the file holds no image")
    if len(images) > _MAX_SERIES:
        raise ImageTooLargeError(f"the file holds {len(images)} images; at most {_MAX_SERIES} are accepted")
    entries = tuple(_entry(number, image) for number, image in enumerate(images))
    number = _only_usable(images, entries, kind, size_bytes, limits) if series is None else series
    if not 0 <= number < len(images):
        raise ImageSeriesError(f"there is no series {number}: {_listed(entries)}")
    header = header_of(images[number], kind, size_bytes, limits)
    if len(images) > 1:
        told = header.warnings
        if series is None:
            told = (*told, f"of {len(images)} images in the file, number {number} alone can be denoised")
        header = header.model_copy(update={"series": number, "series_in_file": entries, "warnings": told})
    return images[number], header


def _only_usable(
    images: Sequence[ImageInfo],
    entries: Sequence[SeriesEntry],
    kind: VendorKind,
    size_bytes: int,
    limits: ImageLimits,
) -> int:
    """Return the number of the only usable image; of one that tells why it is not if none is."""
    usable = [number for number, image in enumerate(images) if is_usable(image, kind, size_bytes, limits)]
    if len(usable) > 1:
        raise ImageSeriesError(f"name one of the file's images by its number, as series; {_listed(entries)}")
    return usable[0] if usable else 0


def _entry(number: int, image: ImageInfo) -> SeriesEntry:
    layout = Layout.of(image)
    return SeriesEntry(index=number, name=name_of(image), axes=layout.axes + "YX", shape=layout.shape)


def _listed(entries: Sequence[SeriesEntry]) -> str:
    shown = [
        f"{each.index} is {repr(each.name) + ', ' if each.name else ''}{each.axes} "
        f"{' x '.join(map(str, each.shape))}"
        for each in entries[:_SHOWN]
    ]
    more = f"; and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    images = "1 image" if len(entries) == 1 else f"{len(entries)} images"
    return f"the file holds {images}: {'; '.join(shown)}{more}"
