"""Choice of one of several images in a file or set, by its number."""

from collections.abc import Callable, Sequence

from models_store.errors import ImageContentError, ImageError, ImageSeriesError, ImageTooLargeError
from models_store.image_files.header import ImageHeader, SeriesEntry

MAX_SERIES = 10_000
_SHOWN = 20


def require_series_count(images: int) -> None:
    """Raise ImageContentError if a file holds no image, ImageTooLargeError if it holds too many."""
    if not images:
        raise ImageContentError(
            "the file holds no image, only other data; name the file that holds the pixels"
        )
    if images > MAX_SERIES:
        raise ImageTooLargeError(
            f"the file holds {images} images; at most {MAX_SERIES} are accepted, so split it"
        )


def why_unusable(read_header: Callable[[], ImageHeader]) -> str | None:
    """Return why an image cannot be denoised, as its header tells; None if it can."""
    try:
        read_header()
    except (ImageError, ImageTooLargeError) as error:
        return error.detail
    return None


def chosen_number(
    entries: Sequence[SeriesEntry], series: int | None, is_usable: Callable[[int], bool]
) -> int:
    """Return the number of an image: `series`, else that of the only usable one.

    If none is usable, that is the first one, which tells why. Raises ImageSeriesError if there is none with
    this number, or if several are usable and none is named.
    """
    if series is None:
        usable: list[int] = []
        for number in range(len(entries)):
            if is_usable(number):
                usable.append(number)
            if len(usable) > 1:
                raise ImageSeriesError(
                    f"name one of the file's images by its number, as series; {_listed(entries)}"
                )
        return usable[0] if usable else 0
    if not 0 <= series < len(entries):
        raise ImageSeriesError(f"there is no series {series}: {_listed(entries)}")
    return series


def told_of_series(
    header: ImageHeader, number: int, entries: Sequence[SeriesEntry], series: int | None
) -> ImageHeader:
    """Return the header with the list of the file's images if there are several.

    A warning tells if the number was chosen without a `series`.
    """
    if len(entries) == 1:
        return header
    told = header.warnings
    if series is None:
        told = (*told, f"of {len(entries)} images in the file, number {number} alone can be denoised")
    return header.model_copy(update={"series": number, "series_in_file": tuple(entries), "warnings": told})


def _listed(entries: Sequence[SeriesEntry]) -> str:
    shown = [
        f"{each.index} is {repr(each.name) + ', ' if each.name else ''}{each.axes} "
        f"{' x '.join(map(str, each.shape))}"
        for each in entries[:_SHOWN]
    ]
    more = f"; and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    images = "1 image" if len(entries) == 1 else f"{len(entries)} images"
    return f"the file holds {images}: {'; '.join(shown)}{more}"
