"""Provenance inside a TIFF file, whose last words are known after its pixels.

A placeholder is written with the metadata, and replaced by JSON of the same length when the planes are there.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from tifffile import TiffFile

from models_store.contracts.provenance import Provenance
from models_store.image_files.planes import ResultFormat

NAMESPACE = "clearscope/provenance"
_KEY = "Provenance"
_MARK = "ClearScopeProvenance"
_ROOM, _UNIT = 5120, 4096
"""Characters for warnings and verdict; the whole is a multiple of the unit, so that runs are alike."""
_SCHEMAS_WITH_MAPS = ("/2015-01", "/2016-06")
_OTHER_SOFTWARE = "ClearScope"
OWN_TAG = 65_300
"""A tag for private use, of TIFF files whose tag Software has the settings of a microscope."""
_TAGS = ("ImageDescription", "Software", "IJMetadata")


@dataclass(frozen=True)
class ProvenanceNote:
    """What is known of a result before its planes are written, and what is known afterwards."""

    before: Provenance
    complete: Callable[[float], Provenance]
    """Gets the share of clipped pixels."""

    @property
    def placeholder(self) -> str:
        length = len(_json(self.before)) + _ROOM
        return _MARK.ljust(-(-length // _UNIT) * _UNIT, "x")

    def place_in(self, form: ResultFormat) -> ResultFormat:
        """Return a format with the placeholder, in OME's annotations, ImageJ's Info or the tag Software."""
        page, metadata = form.page, form.page.get("metadata")
        if form.writer.get("imagej"):
            told = str(metadata["Info"]).rstrip("\n") + "\n" if metadata and metadata.get("Info") else ""
            return _with(
                form, metadata={**(metadata or {}), "Info": f"{told}clearscope = {self.placeholder}\n"}
            )
        if form.writer.get("ome"):
            annotation = {"Namespace": NAMESPACE, "Value": self._pairs()}
            return _with(form, metadata={**(metadata or {}), "MapAnnotation": annotation})
        if (xml := self._annotated(page.get("description", b""))) is not None:
            return _with(form, description=xml)
        if "software" in page:  # settings of the microscope, which programs look for there
            return _with_tag(form, f"{_OTHER_SOFTWARE} {self.placeholder}")
        return _with(form, software=f"{_OTHER_SOFTWARE} {self.placeholder}")

    def fill(self, file: Path, provenance: Provenance) -> None:
        """Replace the placeholder of a file, if it has one."""
        placeholder = self.placeholder
        with TiffFile(file) as tiff:
            tags = [tag for name in (*_TAGS, OWN_TAG) if (tag := tiff.pages.first.tags.get(name)) is not None]
            places = [(tag.valueoffset, tag.valuebytecount) for tag in tags]
        with file.open("r+b") as stream:
            for offset, count in places:
                stream.seek(offset)
                content = stream.read(count)
                for encoding in ("ascii", "utf-16-le", "utf-16-be"):
                    if (at := content.find(placeholder.encode(encoding))) >= 0:
                        stream.seek(offset + at)
                        stream.write(_fitted(provenance, len(placeholder)).encode(encoding))

    def _pairs(self) -> dict[str, str]:
        known = self.before
        return {
            "Software": f"ClearScope {known.versions.get('clearscope', '')}".strip(),
            "Job": known.job_id,
            "Input": known.input.filename,
            "Input SHA-256": known.input.sha256,
            "Preset": known.preset or "none",
            "Estimate": known.methods,
            "Seed": str(known.seed),
            _KEY: self.placeholder,
        }

    def _annotated(self, description: object) -> bytes | None:
        """Return OME-XML with the annotation; None for what is no OME-XML of a schema that has such."""
        if not isinstance(description, bytes) or b"<OME" not in description:
            return None
        root = ET.fromstring(description)  # noqa: S314  # written by this package
        namespace = root.tag.partition("}")[0].removeprefix("{")
        if not namespace.endswith(_SCHEMAS_WITH_MAPS):
            return None
        tag = f"{{{namespace}}}"
        identifier = f"Annotation:{NAMESPACE.replace('/', '-')}"
        for image in root.findall("{*}Image"):
            ET.SubElement(image, f"{tag}AnnotationRef", {"ID": identifier})
        annotations = root.find("{*}StructuredAnnotations")
        if annotations is None:
            annotations = ET.Element(f"{tag}StructuredAnnotations")
            last = max(at for at, child in enumerate(root) if child.tag == f"{tag}Image")
            root.insert(last + 1, annotations)
        own = ET.SubElement(annotations, f"{tag}MapAnnotation", {"ID": identifier, "Namespace": NAMESPACE})
        value = ET.SubElement(own, f"{tag}Value")
        for key, text in self._pairs().items():
            ET.SubElement(value, f"{tag}M", {"K": key}).text = text
        ET.register_namespace("", namespace)
        content: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
        return content


def _with_tag(form: ResultFormat, text: str) -> ResultFormat:
    """Return a format whose first page has a text in the tag for private use."""
    tag = (OWN_TAG, 2, None, text, True)
    if not form.pages:
        return _with(form, extratags=(*form.page.get("extratags", ()), tag))
    first, *others = form.pages
    first = {**first, "extratags": (*first.get("extratags", form.page.get("extratags", ())), tag)}
    return replace(form, pages=(first, *others))


def _with(form: ResultFormat, **page: Any) -> ResultFormat:  # noqa: ANN401  # tifffile's options
    return replace(form, page={**form.page, **page})


def _json(provenance: Provenance) -> str:
    """Return JSON that stands in XML and in tags as it is, with the worst plane alone."""
    document = provenance.model_dump(mode="json")
    if "worst" in (document["verdict"] or {}):
        document["verdict"]["worst"] = document["verdict"]["worst"][:1]
    text = json.dumps(document, ensure_ascii=True)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _fitted(provenance: Provenance, length: int) -> str:
    """Return JSON of a length; what does not fit is left to the RO-Crate: the verdict, then warnings."""
    text = _json(provenance)
    if len(text) > length:
        text = _json(provenance.model_copy(update={"verdict": None}))
    if len(text) > length:
        warnings = (f"{len(provenance.warnings)} warnings; see the RO-Crate of the job",)
        text = _json(provenance.model_copy(update={"verdict": None, "warnings": warnings}))
    return text.ljust(length)
