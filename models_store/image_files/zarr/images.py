"""The images of a Zarr hierarchy: of one group, of a converted file with several, or of a plate."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.printable_text import printable
from models_store.image_files.series_choice import MAX_SERIES
from models_store.image_files.zarr.hierarchy import Hierarchy
from models_store.image_files.zarr.multiscales import multiscales_of
from models_store.image_files.zarr.stored_bytes import read_file

OME_GROUP, OME_XML = "OME", "METADATA.ome.xml"
"""Where a hierarchy has OME-XML of its images."""

_MAX_XML_BYTES = 2**27
_SHOWN = 5


@dataclass(frozen=True)
class DescribedImage:
    """An element Image of OME-XML, by its number."""

    root: ET.Element
    number: int


@dataclass(frozen=True)
class ImagePlace:
    """A multiscale image: the path of its group, its description, and the attributes of the group.

    `in_xml`: what the OME-XML of the hierarchy tells of it, if there is some.
    """

    name: str
    group: str
    described: dict[str, Any]
    attributes: dict[str, Any]
    in_xml: DescribedImage | None = None


@dataclass(frozen=True)
class ImagesOfZarr:
    """Images in their order, and groups that the metadata list but that are not there."""

    places: tuple[ImagePlace, ...]
    missing: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        if not self.missing:
            return ()
        more = f" and {len(self.missing) - _SHOWN} more" if len(self.missing) > _SHOWN else ""
        named = ", ".join(map(repr, self.missing[:_SHOWN]))
        return (f"the metadata list images that are not in the files: {named}{more}",)


def images_of(hierarchy: Hierarchy) -> ImagesOfZarr:
    """Return the images of a hierarchy; labels are none.

    Raises ImageUnsupportedError if it has no OME metadata, ImageCorruptError if they are broken.
    """
    attributes = hierarchy.attributes("") or {}
    if "plate" in attributes:
        return _collected(hierarchy, _fields(hierarchy, attributes["plate"]), None)
    if multiscales_of(attributes):
        return ImagesOfZarr(tuple(_places("", attributes, None, _described(_xml(hierarchy), 0, 1))))
    if "bioformats2raw.layout" in attributes:
        return _collected(hierarchy, _series_groups(hierarchy), _xml(hierarchy))
    raise ImageUnsupportedError(_without_images(hierarchy))


def _places(
    group: str, attributes: dict[str, Any], name: str | None, in_xml: DescribedImage | None
) -> Iterator[ImagePlace]:
    if "image-label" in attributes:
        raise ImageUnsupportedError("the image holds labels of objects; upload the image of grey values")
    for described in multiscales_of(attributes):
        own = described.get("name")
        own_name = printable(own) if isinstance(own, str) else ""
        yield ImagePlace(name or own_name, group, described, attributes, in_xml)


def _collected(hierarchy: Hierarchy, groups: list[str], xml: ET.Element | None) -> ImagesOfZarr:
    places: list[ImagePlace] = []
    missing = []
    names = [printable(image.get("Name", "")) for image in _images(xml)]
    for number, group in enumerate(groups):
        attributes = hierarchy.attributes(group)
        if attributes is None:
            missing.append(group)
        else:
            name = (names[number] if number < len(names) else "") or group
            places += _places(group, attributes, name, _described(xml, number, len(groups)))
    if not places:
        raise ImageCorruptError(
            "the metadata list no image that is in the files"
            + (f"; {missing[0]!r} and {len(missing) - 1} more are missing" if missing else "")
        )
    return ImagesOfZarr(tuple(places), tuple(missing))


def _fields(hierarchy: Hierarchy, plate: object) -> list[str]:
    """Return the groups of the images of a plate, well by well; of a missing well, the well's."""
    groups = []
    for well in _paths(plate, "wells"):
        attributes = hierarchy.attributes(well) or {}
        fields = _paths(attributes.get("well"), "images")
        groups += [f"{well}/{field}" for field in fields] or [well]
        if len(groups) > MAX_SERIES:
            break
    return groups


def _paths(described: object, member: str) -> list[str]:
    listed = described.get(member) if isinstance(described, dict) else None
    entries = listed if isinstance(listed, list) else []
    return [str(each["path"]).strip("/") for each in entries if isinstance(each, dict) and "path" in each]


def _series_groups(hierarchy: Hierarchy) -> list[str]:
    """Return the groups of a converted file: those that OME/ lists, else 0, 1, ..."""
    listed = (hierarchy.attributes(OME_GROUP) or {}).get("series")
    if isinstance(listed, list):
        return [str(each).strip("/") for each in listed[: MAX_SERIES + 1]]
    groups: list[str] = []
    while len(groups) <= MAX_SERIES and hierarchy.attributes(str(len(groups))) is not None:
        groups.append(str(len(groups)))
    return groups


def _xml(hierarchy: Hierarchy) -> ET.Element | None:
    """Return the OME-XML of a hierarchy, if it has some that can be read."""
    file = hierarchy.name(OME_GROUP, OME_XML)
    if file not in hierarchy.files.names or hierarchy.files.size_bytes(file) > _MAX_XML_BYTES:
        return None
    try:
        return ET.fromstring(read_file(hierarchy.files, file, _MAX_XML_BYTES))  # noqa: S314  # because expat bounds entity expansion and reads no other files
    except ET.ParseError:
        return None


def _images(xml: ET.Element | None) -> list[ET.Element]:
    return xml.findall("{*}Image") if xml is not None else []


def _described(xml: ET.Element | None, number: int, count: int) -> DescribedImage | None:
    """Return the description of an image, unless the XML tells of more or fewer than there are."""
    return DescribedImage(xml, number) if xml is not None and len(_images(xml)) == count else None


def _without_images(hierarchy: Hierarchy) -> str:
    if hierarchy.array("") is not None:
        return (
            "this is a Zarr array without OME metadata, so nothing tells its axes and sizes; write it as "
            "OME-Zarr 0.4 or 0.5"
        )
    return (
        "this Zarr has no OME metadata of images at its root; pack the folder whose metadata have "
        "'multiscales', 'bioformats2raw.layout' or 'plate'"
    )
