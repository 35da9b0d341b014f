"""Check of a TIFF's chain of image file directories (IFDs), done before anything else is read."""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from models_store.errors import ImageCorruptError, ImageTooLargeError
from models_store.image_files.file_streams import StreamedFile, stream_of
from models_store.image_files.signatures import READ_FORMATS, read_head, refuse_other_formats, refuse_vsi
from models_store.image_files.tiff.page_kind import PageKind, end_of_texts, page_kind

_MAX_TAGS_PER_PAGE = 4096
_CLASSIC, _BIG = 42, 43  # the version field
_BIG_TAG_BYTES = 20


@dataclass(frozen=True)
class _Layout:
    """Field formats and sizes of classic TIFF or BigTIFF."""

    order: str
    tag_count: struct.Struct
    offset: struct.Struct
    tag_bytes: int


@dataclass(frozen=True)
class IfdChain:
    """Offset and kind of each page of a file."""

    offsets: tuple[int, ...]
    kinds: tuple[PageKind, ...]


def check_ifd_chain(file: StreamedFile, *, max_pages: int) -> IfdChain:
    """Follow the chain of pages of a file; raises like `read_ifd_chain`."""
    with stream_of(file) as stream:
        return read_ifd_chain(stream, max_pages=max_pages)


def read_ifd_chain(file: BinaryIO, *, max_pages: int) -> IfdChain:
    """Follow the chain of pages of an open file.

    Raises ImageCorruptError if the chain is missing or loops, or if it or metadata leave the file,
    ImageUnsupportedError if the file has another known format, ImageTooLargeError for too many pages.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    layout, offset = _read_file_header(file)
    seen: dict[int, None] = {}
    kinds = []
    while offset != 0:
        page = len(seen) + 1
        if page > max_pages:
            raise ImageTooLargeError(f"the file has more than {max_pages} pages; split it")
        if offset in seen:
            raise ImageCorruptError(
                f"the pages of the file form a loop: the place of page {page} is that of an earlier one; "
                "save the image anew"
            )
        if offset >= size_bytes:
            raise ImageCorruptError(
                f"page {page} should be at byte {offset}, but the file ends at byte {size_bytes}; it may "
                "have been truncated while it was copied, so copy it again"
            )
        seen[offset] = None
        kind, offset = _read_directory(file, layout, offset, page, size_bytes)
        kinds.append(kind)
    if not kinds:
        raise ImageCorruptError(
            "the TIFF file has no pages: it ends where the first one should be told; save it again"
        )
    return IfdChain(tuple(seen), tuple(kinds))


def _read_file_header(file: BinaryIO) -> tuple[_Layout, int]:
    """Return the layout and the offset of the first page."""
    head = file.read(16).ljust(16, b"\0")
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    version = struct.unpack(f"{order}H", head[2:4])[0] if order else None
    if version not in {_CLASSIC, _BIG}:
        refuse_other_formats(read_head(file))
        raise ImageCorruptError(
            "the format of this file is unknown: it begins like none of those that are read, which are TIFF, "
            f"{', '.join(READ_FORMATS)} and ZIP archives of sets; export the image as OME-TIFF"
        )
    refuse_vsi(head)
    big = version == _BIG
    layout = _Layout(
        order=order or "",
        tag_count=struct.Struct(f"{order}{'Q' if big else 'H'}"),
        offset=struct.Struct(f"{order}{'Q' if big else 'I'}"),
        tag_bytes=_BIG_TAG_BYTES if big else 12,
    )
    return layout, layout.offset.unpack(head[8:16] if big else head[4:8])[0]


def _read_directory(
    file: BinaryIO, layout: _Layout, offset: int, page: int, size_bytes: int
) -> tuple[PageKind, int]:
    """Return the kind of a page and the offset of the next one."""
    file.seek(offset)
    count_field = file.read(layout.tag_count.size)
    tags = layout.tag_count.unpack(count_field)[0] if len(count_field) == layout.tag_count.size else 0
    if not 0 < tags <= _MAX_TAGS_PER_PAGE:
        raise ImageCorruptError(
            f"page {page} is broken: it claims to have {tags} tags; copy the file again, or save it anew"
        )
    entries = file.read(tags * layout.tag_bytes)
    offset_field = file.read(layout.offset.size)
    if len(offset_field) < layout.offset.size:
        raise ImageCorruptError(
            f"the file ends within the description of page {page}; it was cut, so copy it again"
        )
    big = layout.tag_bytes == _BIG_TAG_BYTES
    text_end = end_of_texts(entries, layout.order, big=big)
    # Without them, tifffile would read the pixels as if nothing told of the other planes.
    if text_end > size_bytes:
        raise ImageCorruptError(
            f"the metadata of page {page} should end at byte {text_end}, but the file ends at byte "
            f"{size_bytes}; it was cut, so copy it again"
        )
    kind = page_kind(entries, layout.order, big=big)
    return kind, int(layout.offset.unpack(offset_field)[0])
