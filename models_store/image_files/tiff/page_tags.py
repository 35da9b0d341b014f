"""Tags of pages that a result keeps: descriptions, times, names, positions, makers' settings."""

from typing import Any

from tifffile import TiffFile, TiffPage, TiffTag

from models_store.image_files.tiff.ome_layout import ome_xml
from models_store.image_files.tiff.stack import Page, Stack

_KEPT = {
    *(269, 271, 272, 285, 306, 315, 316, 33432),  # names, instrument, time, artist, copyright
    *(286, 287, 297),  # position on the page or stage, page number
    *(34118, 34680, 34682, 50431),  # settings of Zeiss, FEI and Tescan microscopes
}
_DESCRIPTION = 270
_NUMBERS_PER_ITEM = {3: 1, 4: 1, 5: 2, 8: 1, 9: 1, 10: 2, 11: 1, 12: 1}
_TEXT_OR_BYTES = {1, 2, 6, 7}
_MAX_TAG_BYTES = 2**24
_MAX_PAGES = 100_000  # reading the tags of more pages takes too long
_MAX_TOTAL_BYTES = 2**26

ExtraTag = tuple[int, int, int, Any, bool]


def kept_tags(tiff: TiffFile, page: TiffPage) -> tuple[ExtraTag, ...]:
    """Return the kept tags of a page as tifffile's `extratags`."""
    tags = (_extra_tag(tiff, tag) for tag in page.tags if tag.code in _KEPT)
    return tuple(tag for tag in tags if tag is not None)


def kept_pages(tiff: TiffFile, stack: Stack) -> tuple[dict[str, Any], ...]:
    """Return the description and kept tags of each plane; empty if only the first page has any."""
    if not _has_pages_of_their_own(tiff, stack) or lost_pages_warning(tiff, stack):
        return ()
    kept, total_bytes = [], 0
    for page in stack.pages:
        kept.append(_options(tiff, page))
        total_bytes += _size_bytes(kept[-1])
        if total_bytes > _MAX_TOTAL_BYTES:
            return ()
    return tuple(kept)


def lost_pages_warning(tiff: TiffFile, stack: Stack) -> str | None:
    """Return a sentence if pages have more descriptions and tags than a result can keep."""
    if not _has_pages_of_their_own(tiff, stack):
        return None
    pages = len(stack.pages)
    if pages <= _MAX_PAGES and pages * _size_bytes(_options(tiff, stack.pages[1])) <= _MAX_TOTAL_BYTES:
        return None
    return f"the descriptions of the {pages} single pages are too long to be kept in the result"


def _has_pages_of_their_own(tiff: TiffFile, stack: Stack) -> bool:
    """Return whether pages beyond the first have kept tags or descriptions."""
    if stack.kind != "tiff" or stack.samples > 1 or not 1 < len(stack.pages) == stack.planes:
        return False
    return bool(_options(tiff, stack.pages[1]))


def _size_bytes(options: dict[str, Any]) -> int:
    return len(options.get("description", b"")) + sum(
        len(value) for *_, value, _ in options.get("extratags", ())
    )


def _options(tiff: TiffFile, page: Page) -> dict[str, Any]:
    """Return options of tifffile's `write` for one page."""
    if page is None or page.is_virtual:
        return {}
    full = page if isinstance(page, TiffPage) else page.aspage()
    options: dict[str, Any] = {}
    tag = full.tags.get(_DESCRIPTION)
    text = _bytes_of(tiff, tag) if tag is not None else None
    if text and ome_xml(full) is None and not full.is_imagej and not full.is_shaped:
        options["description"] = text
    if tags := kept_tags(tiff, full):
        options["extratags"] = tags
    return options


def _extra_tag(tiff: TiffFile, tag: TiffTag) -> ExtraTag | None:
    if tag.dtype in _TEXT_OR_BYTES:
        content = _bytes_of(tiff, tag)
        return (tag.code, int(tag.dtype), len(content), content, False) if content else None
    values = tag.value if isinstance(tag.value, tuple) else (tag.value,)
    plain = all(isinstance(value, (int, float)) for value in values)
    complete = len(values) == tag.count * _NUMBERS_PER_ITEM.get(tag.dtype, 0) > 0
    return (tag.code, int(tag.dtype), tag.count, values, False) if plain and complete else None


def _bytes_of(tiff: TiffFile, tag: TiffTag) -> bytes | None:
    """Return the bytes of a text or of bytes as they are in the file, without zeros at the end."""
    if tag.dtype not in _TEXT_OR_BYTES or not 0 < tag.count <= _MAX_TAG_BYTES:
        return None
    tiff.filehandle.seek(tag.valueoffset)
    return tiff.filehandle.read(tag.count).rstrip(b"\0")
