"""OME-XML of a set of files: in a companion file, in one of the TIFF files, or in each of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from models_store.errors import ImageCorruptError, ImageTooLargeError
from models_store.image_files.sets.kind import is_ome_xml
from models_store.image_files.tiff.ome_layout import ome_xml
from models_store.image_files.tiff.tiff_file import raising_image_corrupt
from models_store.image_files.tiff_sets.file_names import FileNames, root_uuid
from models_store.image_files.tiff_sets.members import Members, naming, tiff_names

_MAX_XML_BYTES = 2**28
_MAX_DOCUMENTS = 1_000


@dataclass(frozen=True)
class Document:
    """OME-XML that describes images, and the file of the set that holds it."""

    file: str
    xml: bytes
    root: ET.Element

    @property
    def pixels(self) -> list[ET.Element]:
        return self.root.findall("{*}Image/{*}Pixels")


@dataclass(frozen=True)
class Documents:
    """All OME-XML of a set; `left_out` are TIFF files that none of it names."""

    described: tuple[Document, ...]
    names: FileNames
    left_out: tuple[str, ...]


def read_documents(members: Members) -> Documents:
    """Read the OME-XML of a set; none if its files have none.

    Each file is opened unless one that was read before names it. Raises ImageCorruptError if only parts of a
    set are there, without the file that describes them.
    """
    tiffs = tiff_names(members.files.names)
    names = FileNames(members.files.names, tiffs, lambda name: uuid_of(members, name))
    found = list(_companions(members))
    named = {name for document in found for name in _named(document, names)}
    left_out, needed = [], []
    for name in tiffs:
        if name in named:
            continue
        root = _root_of(members, name)
        if root is not None and root[1].find("{*}Image/{*}Pixels") is not None:
            document = Document(name, *root)
            found.append(document)
            named |= {name, *_named(document, names)}
            if len(found) > _MAX_DOCUMENTS:
                raise ImageTooLargeError(
                    f"more than {_MAX_DOCUMENTS} files hold images of their own; upload them in smaller parts"
                )
            continue
        left_out.append(name)
        if root is not None and (binary := root[1].find("{*}BinaryOnly")) is not None:
            needed.append(binary.get("MetadataFile", ""))
    if not found and needed:
        raise ImageCorruptError(
            f"the files belong to an OME-TIFF set that {needed[0]!r} describes, which is missing; add it"
        )
    return Documents(tuple(found), names, tuple(name for name in left_out if name not in named))


def uuid_of(members: Members, name: str) -> str | None:
    """Return the UUID that a TIFF file has for itself."""
    xml = _xml_of(members, name)
    return root_uuid(xml) if xml is not None else None


def _companions(members: Members) -> Iterator[Document]:
    for name in sorted(members.files.names):
        if not is_ome_xml(name):
            continue
        if members.files.size_bytes(name) > _MAX_XML_BYTES:
            raise ImageTooLargeError(f"{name!r} exceeds the limit of {_MAX_XML_BYTES} bytes of OME-XML")
        with members.files.open(name) as stream:
            xml = stream.read()
        document = Document(name, xml, _parsed(name, xml))
        if document.pixels:
            yield document


def _root_of(members: Members, name: str) -> tuple[bytes, ET.Element] | None:
    xml = _xml_of(members, name)
    return (xml.encode(), _parsed(name, xml)) if xml is not None else None


def _xml_of(members: Members, name: str) -> str | None:
    member = members[name]
    with naming(name), raising_image_corrupt("the OME-XML cannot be read"):
        return ome_xml(member.tiff.pages.first)


def _parsed(name: str, xml: str | bytes) -> ET.Element:
    try:
        return ET.fromstring(xml)  # noqa: S314  # because expat bounds entity expansion and reads no other files
    except (ET.ParseError, ValueError, LookupError) as error:
        raise ImageCorruptError(f"the OME-XML of {name!r} is broken: {error}") from error


def _named(document: Document, names: FileNames) -> Iterator[str]:
    """Yield the files that a document names and the set has."""
    for pixels in document.pixels:
        for uuid in pixels.findall("{*}TiffData/{*}UUID"):
            name = names.find(uuid.get("FileName"), uuid.text, document.file)
            if name is not None:
                yield name
