"""The image of a TIFF file: its pages, in the order of its axes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

from tifffile import TiffFile, TiffFrame, TiffPage, TiffPageSeries

from models_store.errors import ImageContentError
from models_store.image_files.header import FileKind
from models_store.image_files.tiff.chosen_pages import ChosenPages, choose_pages
from models_store.image_files.tiff.grey import sample_axis, samples_as_planes
from models_store.image_files.tiff.ifd_chain import IfdChain
from models_store.image_files.tiff.imagej import imagej_axes
from models_store.image_files.tiff.ome_layout import AS_SET, OmeLayout, UnclearOmeError, ome_layout, ome_xml
from models_store.image_files.tiff.page_axes import page_metadata, shaped_metadata
from models_store.image_files.tiff.plane_grid import count_warning, fitted, grid_of, squeezed
from models_store.image_files.tiff.scanimage import is_scanimage, scanimage_axes
from models_store.image_files.tiff.tiff_file import BROKEN_FILE_ERRORS

_SERIES_KINDS: dict[str, FileKind] = {"ome": "ome", "imagej": "imagej", "mmstack": "micromanager"}

Page = TiffPage | TiffFrame | None


@dataclass(frozen=True)
class Stack:
    """Pages of an image; `axes` and `shape` are the leading ones, each page holds `samples` planes."""

    kind: FileKind
    axes: str
    shape: tuple[int, ...]
    keyframe: TiffPage
    pages: Sequence[Page]
    contiguous_offset: int | None = None
    """Set if all pixels are contiguous, as in ImageJ's stacks over 4 GB, which describe only one plane."""
    samples: int = 1
    ome: OmeLayout | None = None
    warnings: tuple[str, ...] = ()

    @property
    def planes(self) -> int:
        return math.prod(self.shape)


class _LazyPages(Sequence[Page]):
    """Pages of a file, each read when it is needed."""

    def __init__(self, tiff: TiffFile, chain: IfdChain, indices: Sequence[int]) -> None:
        self._tiff = tiff
        self._chain = chain
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, at: int, /) -> Page: ...

    @overload
    def __getitem__(self, at: slice, /) -> Sequence[Page]: ...

    def __getitem__(self, at: int | slice, /) -> Page | Sequence[Page]:
        if isinstance(at, slice):
            return _LazyPages(self._tiff, self._chain, self._indices[at])
        return _read_page(self._tiff, self._chain, self._indices[at])


def _read_page(tiff: TiffFile, chain: IfdChain, index: int) -> TiffPage:
    """Read a page with all its tags; tifffile's own list of pages may hold guesses of where they are."""
    tiff.filehandle.seek(chain.offsets[index])
    return TiffPage(tiff, index)


def image_stack(tiff: TiffFile, chain: IfdChain) -> Stack:
    """Return the image of a file.

    Raises ImageUnsupportedError if there are several images, ImageContentError if there is none.
    """
    chosen = choose_pages(chain.kinds)
    warnings = list(chosen.warnings)
    xml = ome_xml(tiff.pages.first)
    if xml is not None:
        try:
            layout = ome_layout(xml, chosen.pages, len(chain.kinds))
            return _told_of_samples(_from_ome(tiff, chain, layout, warnings))
        except UnclearOmeError as error:
            warnings.append(f"{error}; its pages are read in the order of the file")
    understood = chosen.alike and xml is None and not is_scanimage(tiff.pages.first)
    stack = _from_series(tiff, chosen, warnings) if understood else None
    return _told_of_samples(stack or _from_pages(tiff, chain, chosen.pages, warnings))


def _told_of_samples(stack: Stack) -> Stack:
    """Add a warning if planes are stored as colours."""
    if stack.samples == 1 or sample_axis(stack.keyframe) == "C":
        return stack
    warning = (
        f"the {stack.samples} planes of a page are stored as if they were colours; they are read as planes"
    )
    return replace(stack, warnings=(*stack.warnings, warning))


def _from_ome(tiff: TiffFile, chain: IfdChain, layout: OmeLayout, warnings: list[str]) -> Stack:
    keyframe = _read_page(tiff, chain, layout.pages[0])
    grids = [grid_of(image.axes, image.coordinates) for image in layout.images]
    axes, shape = grids[0]
    if len(grids) > 1:
        alike = all(grid == grids[0] for grid in grids) and axes != "I"
        axes, shape = ("P" + axes, (len(grids), *shape)) if alike else ("I", (len(layout.pages),))
    samples = samples_as_planes(keyframe)
    planes = len(layout.pages) * samples
    if planes != layout.told:
        others = ", ".join(layout.other_files)
        where = f"; the others are in {others} ({AS_SET})" if others else ""
        warnings.append(count_warning(planes, layout.told) + (where if planes < layout.told else ""))
    return Stack(
        kind="ome",
        axes=axes + sample_axis(keyframe) * (samples > 1),
        shape=(*shape, samples) if samples > 1 else shape,
        keyframe=keyframe,
        pages=_LazyPages(tiff, chain, layout.pages),
        samples=samples,
        ome=layout,
        warnings=tuple(warnings),
    )


def _from_series(tiff: TiffFile, chosen: ChosenPages, warnings: list[str]) -> Stack | None:
    """Return the image as tifffile understands it; None unless that accounts for all pages."""
    try:
        images = [series for series in tiff.series if not series.keyframe.is_reduced and series.size > 0]
    except BROKEN_FILE_ERRORS:
        return None
    if not images:
        raise ImageContentError("the image has no pixels: its width or height is zero")
    series = images[0]
    keyframe = series.keyframe
    samples = samples_as_planes(keyframe)
    axes, shape = _leading(series)
    planes = math.prod(shape)
    one_page = len(chosen.pages) == 1
    if len(images) > 1 or not (one_page or planes == samples * len(chosen.pages)):
        return None
    if series.dataoffset is None and None in series:
        return None
    kind = _kind(tiff, series.kind)
    if kind == "imagej":
        if series.kind != "imagej":  # its description does not fit the pages
            return None
        axes = axes.replace("I", "Z") if "Z" not in axes else axes
    if one_page and kind == "imagej" and planes == 1:
        axes, shape = _contiguous_imagej(tiff, keyframe)
    return Stack(
        kind=kind,
        axes=axes,
        shape=shape,
        keyframe=keyframe,
        pages=series,
        contiguous_offset=series.dataoffset if planes == math.prod(shape) else keyframe.dataoffsets[0],
        samples=samples,
        warnings=tuple(warnings),
    )


def _leading(series: TiffPageSeries) -> tuple[str, tuple[int, ...]]:
    """Return leading axes and lengths; separate samples are channels, chunky samples are dropped."""
    axes, shape = series.axes.replace("Q", "I"), series.shape
    if axes.endswith("YXS"):
        axes, shape = axes[:-1], shape[:-1]
    if series.keyframe.axes == "SYX" and samples_as_planes(series.keyframe) == 1 and axes.endswith("SYX"):
        axes, shape = axes[:-3] + "YX", (*shape[:-3], *shape[-2:])
    return axes[:-2].replace("S", sample_axis(series.keyframe)), shape[:-2]


def _contiguous_imagej(tiff: TiffFile, page: TiffPage) -> tuple[str, tuple[int, ...]]:
    """Return the axes of a stack with one page whose description tells only a number of images."""
    axes, shape = imagej_axes(tiff.imagej_metadata or {}, 1)
    end = page.dataoffsets[0] + math.prod(shape) * page.nbytes if page.dataoffsets else 0
    return (axes, shape) if page.is_final and 0 < end <= tiff.filehandle.size else ("", ())


def _from_pages(tiff: TiffFile, chain: IfdChain, indices: Sequence[int], warnings: list[str]) -> Stack:
    """Return all chosen pages as a stack, with the axes of the metadata as far as they fit."""
    keyframe = _read_page(tiff, chain, indices[0])
    samples = samples_as_planes(keyframe)
    axes = "I"
    shape: tuple[int, ...] = (len(indices),)
    kind = _kind(tiff, "")
    if kind == "imagej":
        told_axes, told = imagej_axes(tiff.imagej_metadata or {}, len(indices) * samples)
        pages = len(indices)
        if samples > 1 and told_axes.endswith("C") and told[-1] == samples:
            told_axes, told = told_axes[:-1], told[:-1]
        axes, shape = fitted(told_axes or "T", told or (1,), pages)
        axes = axes.replace("I", "Z")
        if math.prod(told) != pages:
            warnings.append(count_warning(pages, math.prod(told)))
    else:
        shaped = _shaped_axes(_LazyPages(tiff, chain, indices), keyframe, warnings)
        axes, shape = scanimage_axes(keyframe, len(indices)) or shaped or squeezed(axes, shape)
    return Stack(
        kind=kind,
        axes=axes + sample_axis(keyframe) * (samples > 1),
        shape=(*shape, samples) if samples > 1 else shape,
        keyframe=keyframe,
        pages=_LazyPages(tiff, chain, indices),
        samples=samples,
        warnings=tuple(warnings),
    )


def _shaped_axes(
    all_pages: Sequence[Page], page: TiffPage, warnings: list[str]
) -> tuple[str, tuple[int, ...]] | None:
    """Return the axes that tifffile described, for another number of planes or several times; else None."""
    metadata, pages = shaped_metadata(page), len(all_pages)
    shape, own = metadata.get("shape"), len(page.shape)
    if not isinstance(shape, list) or not all(isinstance(length, int) and length > 0 for length in shape):
        return None
    leading, axes = tuple(shape[:-own]), str(metadata.get("axes", "")).replace("Q", "I")
    axes = axes[: len(leading)] if len(axes) == len(shape) else "I" * len(leading)
    described = math.prod(leading)
    if described in {1, pages}:
        return None
    next_page = all_pages[described] if described < pages and pages % described == 0 else None
    if isinstance(next_page, TiffPage) and next_page.is_shaped:
        return "I" + axes, (pages // described, *leading)
    warnings.append(count_warning(pages, described))
    return fitted(axes, leading, pages)


def _kind(tiff: TiffFile, series_kind: str) -> FileKind:
    if series_kind in _SERIES_KINDS:
        return _SERIES_KINDS[series_kind]
    page = tiff.pages.first
    if page.is_imagej:
        return "imagej"
    if "Axes" in page_metadata(page):
        return "ndtiff"
    return "micromanager" if page.is_micromanager else "tiff"
