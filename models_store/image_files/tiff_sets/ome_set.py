"""Images that the OME-XML of a set describes, and where their planes are among its files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from models_store.errors import ImageCorruptError, ImageTooLargeError
from models_store.image_files.printable_text import printable
from models_store.image_files.sets.kind import is_tiff
from models_store.image_files.tiff.ome_layout import (
    OmeImage,
    PixelGrid,
    UnclearOmeError,
    count_of,
    file_uuid,
)
from models_store.image_files.tiff_sets.file_names import FileNames, last_part, listed, plain_uuid
from models_store.image_files.tiff_sets.members import Members, Place
from models_store.image_files.tiff_sets.ome_documents import Document, Documents, uuid_of

_CHECKED_FILES = 256
"""Files whose UUIDs are read when a set is opened; more would take seconds."""


@dataclass(frozen=True)
class SetImage:
    """One Image element, with the planes that the set holds; the pages of `ome` count `places`."""

    document: Document
    name: str
    size_yx: tuple[int, int]
    ome: OmeImage
    places: tuple[Place, ...]
    told: int
    missing: tuple[str, ...]
    """Files that should hold planes, as the metadata name them."""
    uuids: dict[str, str]
    """UUIDs that the files should have, as far as they are told."""

    @property
    def files(self) -> list[str]:
        return list(dict.fromkeys(place.file for place in self.places))

    def warnings(self, members: Members) -> Iterator[str]:
        """Yield what to know of files that are missing or seem to be of another set."""
        if self.missing:
            yield (f"the set lacks {listed(self.missing)}; {len(self.places)} of {self.told} planes are read")
        elif len(self.places) < self.told:
            yield f"{len(self.places)} of {self.told} planes are in the set"
        others = [
            name
            for name in _evenly(self.files)
            if name in self.uuids and uuid_of(members, name) not in {None, self.uuids[name]}
        ]
        if others:
            yield (
                f"{listed(others)} may be of another set: {last_part(self.document.file)} tells other UUIDs"
            )


def images_of(documents: Documents, members: Members, max_planes: int) -> list[SetImage]:
    """Return the images of a set of which it holds a plane.

    Raises ImageCorruptError if OME-XML is broken or all its files are missing, ImageTooLargeError if it tells
    of too many planes.
    """
    images = []
    for document in documents.described:
        try:
            found = [
                _image(document, number, pixels, documents.names, members, max_planes)
                for number, pixels in enumerate(document.pixels)
            ]
        except UnclearOmeError as error:
            raise ImageCorruptError(f"{document.file!r}: {error}") from error
        images += found
        if sum(each.told for each in images) > max_planes:
            raise ImageTooLargeError(f"the set has more than {max_planes} planes; split it")
    held = [each for each in images if each.places]
    if not held and images:
        missing = list(dict.fromkeys(name for each in images for name in each.missing))
        raise ImageCorruptError(
            f"no plane of the image is in the set: {last_part(images[0].document.file)} tells of "
            f"{listed(missing)}; add these files"
        )
    return held


def _image(
    document: Document,
    number: int,
    pixels: ET.Element,
    names: FileNames,
    members: Members,
    max_planes: int,
) -> SetImage:
    grid = PixelGrid.of(pixels)
    if grid.planes > max_planes:
        raise ImageTooLargeError(f"the set has {grid.planes} planes; at most {max_planes} are accepted")
    places: dict[tuple[int, ...], Place] = {}
    missing: dict[str, None] = {}
    uuids: dict[str, str] = {}
    told: list[ET.Element | None] = [*pixels.findall("{*}TiffData")]
    for data in told or [None]:
        file = _file_of(data, document, names)
        if file is None:
            missing[_told_name(data)] = None
            continue
        uuid = plain_uuid(file_uuid(data)) if data is not None else None
        if uuid is not None:
            uuids.setdefault(file, uuid)
        for coordinates, page in grid.planes_in(data, _pages(data, file, members)):
            places.setdefault(coordinates, Place(file, page))
    ordered = sorted(places)
    return SetImage(
        document=document,
        name=_name_of(document.root, pixels),
        size_yx=(count_of(pixels, "SizeY", 0), count_of(pixels, "SizeX", 0)),
        ome=OmeImage(number, grid.axes, grid.lengths, tuple(ordered), tuple(range(len(ordered)))),
        places=tuple(places[coordinates] for coordinates in ordered),
        told=grid.planes,
        missing=tuple(missing),
        uuids=uuids,
    )


def _file_of(data: ET.Element | None, document: Document, names: FileNames) -> str | None:
    """Return the file that holds the planes of a TiffData element; None if it is missing."""
    uuid = data.find("{*}UUID") if data is not None else None
    if uuid is not None:
        return names.find(uuid.get("FileName"), uuid.text, document.file)
    if not is_tiff(document.file):
        raise UnclearOmeError("the OME-XML does not tell which file holds which planes")
    return document.file


def _pages(data: ET.Element | None, file: str, members: Members) -> int:
    """Return the number of pages of a file; an upper bound, without opening it, if its planes are counted."""
    counted = data is not None and any(name in data.attrib for name in ("IFD", "PlaneCount", "NumPlanes"))
    if not counted:
        return len(members[file].chain.offsets)
    return count_of(data, "IFD", 0) + max(count_of(data, "PlaneCount", count_of(data, "NumPlanes", 1)), 1)


def _told_name(data: ET.Element | None) -> str:
    uuid = data.find("{*}UUID") if data is not None else None
    told = (uuid.get("FileName") or uuid.text or "") if uuid is not None else ""
    return told.strip() or "a file without a name"


def _name_of(root: ET.Element, pixels: ET.Element) -> str:
    parents = (image for image in root.findall("{*}Image") if image.find("{*}Pixels") is pixels)
    return next((printable(image.get("Name", "")) for image in parents), "")


def _evenly(names: Sequence[str]) -> Sequence[str]:
    return names[:: -(-len(names) // _CHECKED_FILES)] if names else names
