"""Choice of the pages that form the image; labels, thumbnails and other pages are left out and named."""

from collections.abc import Sequence
from dataclasses import dataclass

from models_store.errors import ImageUnsupportedError
from models_store.image_files.tiff.page_kind import PageKind

_NAMED = 4


@dataclass(frozen=True)
class ChosenPages:
    """Indices of the pages of the image, in the order of the file."""

    pages: Sequence[int]
    alike: bool
    """Whether all pages are stored in the same way, not counting reduced copies and masks."""
    warnings: tuple[str, ...] = ()


def choose_pages(kinds: Sequence[PageKind]) -> ChosenPages:
    """Choose the largest set of pages of one size and pixel type.

    Pages marked as reduced copies or masks are skipped. Colour pictures and pages of at most half the pixels
    are left out with a warning. Raises ImageUnsupportedError if others remain.
    """
    primary = [page for page, kind in enumerate(kinds) if not kind.is_secondary] or [0]
    first = kinds[primary[0]]
    if all(kinds[page] == first for page in primary):
        return ChosenPages(primary, alike=True)
    groups: dict[tuple[int | None, ...], list[int]] = {}
    for page in primary:
        groups.setdefault(kinds[page].pixels, []).append(page)

    def size(pages: list[int]) -> tuple[bool, int]:
        return not kinds[pages[0]].is_colour, kinds[pages[0]].area_px * len(pages)

    chosen = max(groups.values(), key=size)
    main = kinds[chosen[0]]
    others = [pages for pages in groups.values() if pages is not chosen]
    picture = kinds[primary[0]]
    if picture.is_colour and picture.area_px >= main.area_px:
        return ChosenPages([primary[0]], alike=False)
    for pages in others:
        _require_left_out(kinds, pages, chosen, len(groups))
    left_out = [_left_out(kinds, pages, chosen) for pages in others[:_NAMED]]
    if more := sum(map(len, others[_NAMED:])):
        left_out.append(f"{more} more pages of other sizes are left out")
    return ChosenPages(chosen, alike=False, warnings=tuple(left_out))


def _require_left_out(
    kinds: Sequence[PageKind], pages: Sequence[int], chosen: Sequence[int], groups: int
) -> None:
    """Raise ImageUnsupportedError unless pages may be left out."""
    kind, main = kinds[pages[0]], kinds[chosen[0]]
    if kind.is_colour or 2 * kind.area_px <= main.area_px:
        return
    if (kind.width_px, kind.height_px) == (main.width_px, main.height_px):
        raise ImageUnsupportedError(
            f"{_named(pages)} of the file ({kind}) and {_named(chosen)} ({main}) hold different kinds of "
            "pixels; save them as separate files"
        )
    raise ImageUnsupportedError(
        f"the file holds {groups} separate images ({_named(chosen)}: {main}; {_named(pages)}: {kind}); save "
        "each as a separate file"
    )


def _left_out(kinds: Sequence[PageKind], pages: Sequence[int], chosen: Sequence[int]) -> str:
    verb, they = ("is", "it does") if len(pages) == 1 else ("are", "they do")
    return (
        f"{_named(pages)} of the file ({kinds[pages[0]]}) {verb} left out: {they} not fit {_named(chosen)} "
        f"({kinds[chosen[0]]})"
    )


def _named(pages: Sequence[int]) -> str:
    """Name pages as viewers do, counted from 1."""
    if len(pages) == 1:
        return f"page {pages[0] + 1}"
    more = f" and {len(pages) - _NAMED} more" if len(pages) > _NAMED else ""
    return f"pages {', '.join(str(page + 1) for page in pages[:_NAMED])}{more}"
