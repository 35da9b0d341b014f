"""Places of an OME image's planes in a file, as its OME-XML tells them."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree as ET

from tifffile import TiffPage

_COUNT = re.compile("[0-9]{1,9}")
_ORDERS = {"XYZCT", "XYZTC", "XYCZT", "XYCTZ", "XYTCZ", "XYTZC"}
_NAMED_FILES = 3

AS_SET = "pack all files of the set into one ZIP archive, or name their folder, to read them as one image"


@dataclass(frozen=True)
class OmeImage:
    """Planes of one Image element that are in the file, sorted by their coordinates.

    `number` counts the Image elements; None stands for pages that no element describes. `axes` are slowest
    first.
    """

    number: int | None
    axes: str
    lengths: tuple[int, ...]
    coordinates: tuple[tuple[int, ...], ...]
    pages: tuple[int, ...]

    def along(self, axis: str) -> list[int]:
        """Return the coordinates along an axis at which there are planes, in order."""
        at = self.axes.find(axis)
        return sorted({coordinates[at] for coordinates in self.coordinates}) if at >= 0 else [0]


@dataclass(frozen=True)
class OmeLayout:
    """Images of a file, and what its metadata tell beyond the file."""

    images: tuple[OmeImage, ...]
    told: int
    """Number of planes that the metadata tell of, in this and other files."""
    samples: int = 1
    other_files: tuple[str, ...] = field(default=(), compare=False)

    @property
    def pages(self) -> list[int]:
        return [page for image in self.images for page in image.pages]


class UnclearOmeError(Exception):
    """The OME-XML does not tell which pages are which planes."""


@dataclass(frozen=True)
class PixelGrid:
    """Axes and lengths of a Pixels element, slowest first, and samples per page."""

    axes: str
    lengths: tuple[int, ...]
    samples: int

    @property
    def planes(self) -> int:
        return math.prod(self.lengths)

    @classmethod
    def of(cls, pixels: ET.Element) -> "PixelGrid":
        """Read the grid. Raises UnclearOmeError if it is invalid."""
        order = pixels.get("DimensionOrder", "XYZCT")
        if order not in _ORDERS:
            raise UnclearOmeError("the OME-XML of the file has an invalid order of dimensions")
        axes = order[:1:-1]
        samples = max(1, count_of(pixels.find("{*}Channel"), "SamplesPerPixel", 1))
        lengths = [max(1, count_of(pixels, f"Size{axis}", 1)) for axis in axes]
        channel = axes.index("C")
        lengths[channel] = max(1, lengths[channel] // samples)
        return cls(axes, tuple(lengths), samples)

    def planes_in(self, data: ET.Element | None, page_count: int) -> Iterator[tuple[tuple[int, ...], int]]:
        """Yield coordinates and page of each plane of a TiffData element, in a file of so many pages."""
        page = count_of(data, "IFD", 0)
        default = 1 if data is not None and "IFD" in data.attrib else page_count
        count = min(count_of(data, "PlaneCount", count_of(data, "NumPlanes", default)), page_count - page)
        steps = [math.prod(self.lengths[axis + 1 :]) for axis in range(len(self.lengths))]
        start = sum(
            count_of(data, f"First{axis}", 0) * step for axis, step in zip(self.axes, steps, strict=True)
        )
        for plane in range(start, min(start + count, self.planes)):
            at = (plane // step % length for step, length in zip(steps, self.lengths, strict=True))
            yield tuple(at), page + plane - start


def ome_xml(page: TiffPage) -> str | None:
    """Return the OME-XML of a file's first page, which may have several descriptions."""
    for text in (page.description, page.description1):
        if text and text[-10:].strip().endswith("OME>"):
            return text
    return None


def ome_layout(xml: str, pages: Sequence[int], page_count: int) -> OmeLayout:
    """Return where the planes on `pages` belong, of the `page_count` pages of the file.

    Raises UnclearOmeError if the XML is broken or contradicts itself or the file.
    """
    try:
        root = ET.fromstring(xml)  # noqa: S314  # because expat bounds entity expansion and reads no other files
    except ET.ParseError as error:
        raise UnclearOmeError("the OME-XML of the file is broken") from error
    elements = root.findall("{*}Image/{*}Pixels")
    if not elements:
        raise UnclearOmeError(_without_image(root))
    own = _own_uuid(root, elements)
    chosen = set(pages)
    images, told, samples = [], 0, set()
    for number, pixels in enumerate(elements):
        image, count, per_page = _image(number, pixels, own, page_count)
        kept = [at for at, page in enumerate(image.pages) if page in chosen]
        if kept or not image.pages:
            told += count
        if kept:
            samples.add(per_page)
            images.append(
                replace(
                    image,
                    coordinates=tuple(image.coordinates[at] for at in kept),
                    pages=tuple(image.pages[at] for at in kept),
                )
            )
    layout = OmeLayout(tuple(images), told, max(samples, default=1), _other_files(elements, own))
    if not images or len(samples) > 1 or max(Counter(layout.pages).values()) > 1:
        raise UnclearOmeError("the OME-XML of the file does not tell which page is which plane")
    described = set(layout.pages)
    return _with_extra_pages(layout, [page for page in pages if page not in described])


def _without_image(root: ET.Element) -> str:
    binary = root.find("{*}BinaryOnly")
    if binary is None:
        return "the OME-XML of the file describes no image"
    name = binary.get("MetadataFile", "another file")
    return f"the file is part of a set that {name} describes ({AS_SET})"


def _image(number: int, pixels: ET.Element, own: str | None, page_count: int) -> tuple[OmeImage, int, int]:
    """Return an image, the number of planes that its metadata tell of, and its samples per page."""
    grid = PixelGrid.of(pixels)
    told: list[ET.Element | None] = [*pixels.findall("{*}TiffData")]
    found = sorted(
        plane
        for data in told or [None]
        if data is None or file_uuid(data) in {None, own}
        for plane in grid.planes_in(data, page_count)
    )
    image = OmeImage(
        number,
        grid.axes,
        grid.lengths,
        tuple(coordinates for coordinates, _ in found),
        tuple(page for _, page in found),
    )
    return image, grid.planes * grid.samples, grid.samples


def _with_extra_pages(layout: OmeLayout, extra: list[int]) -> OmeLayout:
    """Add pages that no image has: as further planes along its only axis, or as an image of their own."""
    if not extra:
        return layout
    image = layout.images[0]
    long = [axis for axis, length in zip(image.axes, image.lengths, strict=True) if length > 1] or ["T"]
    if len(layout.images) == 1 and len(long) == 1 and long[0] != "C":
        axis = image.axes.index(long[0])
        last = image.coordinates[-1]
        more = tuple((*last[:axis], last[axis] + step + 1, *last[axis + 1 :]) for step in range(len(extra)))
        joined = replace(image, coordinates=(*image.coordinates, *more), pages=(*image.pages, *extra))
        return replace(layout, images=(joined,))
    steps = tuple((step, 0, 0) for step in range(len(extra)))
    own = OmeImage(None, "TCZ", (len(extra), 1, 1), steps, tuple(extra))
    return replace(layout, images=(*layout.images, own))


def _own_uuid(root: ET.Element, elements: Sequence[ET.Element]) -> str | None:
    """Return the UUID by which the metadata mean this file; None if they name no file."""
    named = {file_uuid(data): None for pixels in elements for data in pixels.findall("{*}TiffData")}
    own = root.get("UUID")
    if own in named or None in named or not named:
        return own
    if len(named) > 1:
        raise UnclearOmeError("the OME-XML names several files, and not which of them this is")
    return next(iter(named))


def _other_files(elements: Sequence[ET.Element], own: str | None) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for pixels in elements:
        for data in pixels.findall("{*}TiffData"):
            uuid = data.find("{*}UUID")
            if uuid is not None and file_uuid(data) != own and uuid.get("FileName"):
                names[uuid.get("FileName", "")] = None
    return tuple(names)[:_NAMED_FILES]


def file_uuid(data: ET.Element) -> str | None:
    """Return the UUID of the file that a TiffData element names."""
    uuid = data.find("{*}UUID")
    return (uuid.text or "").strip() if uuid is not None else None


def count_of(element: ET.Element | None, name: str, default: int) -> int:
    """Return a count among the attributes of an element. Raises UnclearOmeError if it is no number."""
    text = element.get(name) if element is not None else None
    if text is None:
        return default
    if not _COUNT.fullmatch(text):
        raise UnclearOmeError(f"the OME-XML of the file has an invalid {name}")
    return int(text)
