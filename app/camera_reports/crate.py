"""A monthly report as RO-Crate 1.2: a ZIP archive with the page, the document and their metadata."""

import hashlib
import io
import json
import zipfile
from importlib.metadata import version
from typing import Any

from app.camera_reports.page import report_page
from app.documents.camera_reports import CameraReport, ReportedCamera

_CONTEXT = "https://w3id.org/ro/crate/1.2/context"
_SPECIFICATION = "https://w3id.org/ro/crate/1.2"
_PAGE, _DOCUMENT = "camera-report.html", "camera-report.json"
_SOFTWARE = {"@id": "#clearscope"}

Entity = dict[str, Any]


def report_crate(report: CameraReport) -> bytes:
    """Return the archive."""
    files = {
        _PAGE: ("text/html", report_page(report).encode()),
        _DOCUMENT: ("application/json", report.model_dump_json(indent=2).encode()),
    }
    metadata = {"@context": _CONTEXT, "@graph": _graph(report, files)}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ro-crate-metadata.json", json.dumps(metadata, indent=2, ensure_ascii=False))
        for name, (_, file) in files.items():
            archive.writestr(name, file)
    return content.getvalue()


def _graph(report: CameraReport, files: dict[str, tuple[str, bytes]]) -> list[Entity]:
    described = [_file(name, *files[name]) for name in files]
    measured = [entity for number, each in enumerate(report.cameras) for entity in _measured(number, each)]
    microscope = {
        "@id": f"#{report.microscope.id}",
        "@type": "IndividualProduct",
        "name": report.microscope.name,
        "identifier": report.microscope.id,
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Cameras of {report.microscope.name}, {report.month}",
        "description": " ".join(report.told),
        "datePublished": report.made_at.isoformat(),
        "temporalCoverage": f"{report.since.isoformat()}/{report.until.isoformat()}",
        "about": {"@id": microscope["@id"]},
        "creator": _SOFTWARE,
        "hasPart": [{"@id": each["@id"]} for each in described],
        "variableMeasured": [{"@id": each["@id"]} for each in measured],
    }
    descriptor = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": _SPECIFICATION},
        "about": {"@id": "./"},
    }
    software = {
        **_SOFTWARE,
        "@type": "SoftwareApplication",
        "name": "ClearScope",
        "softwareVersion": version("clearscope"),
    }
    return [descriptor, root, microscope, software, *described, *measured]


def _file(name: str, media_type: str, content: bytes) -> Entity:
    return {
        "@id": name,
        "@type": "File",
        "name": name,
        "encodingFormat": media_type,
        "contentSize": str(len(content)),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _measured(number: int, camera: ReportedCamera) -> list[Entity]:
    """Return the figures of a camera, named by EMVA 1288."""
    of_camera = ", ".join(filter(None, [camera.profile, camera.channel]))
    return [
        {
            "@id": f"#camera-{number}-{figure.name}",
            "@type": "PropertyValue",
            "name": f"{figure.title} of {of_camera}",
            "alternateName": figure.symbol or figure.name,
            "value": figure.value,
            "unitText": figure.unit,
            "measurementTechnique": figure.how,
            "description": f"standard error {figure.standard_error:.3g}; {figure.verdict}",
        }
        for figure in camera.figures
    ]
