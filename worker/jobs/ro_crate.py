"""RO-Crate 1.1 of a job's results, by the profile Process Run Crate: what was run on what."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from models_store.contracts.outcomes import MadeArtifact
from models_store.contracts.provenance import ChannelProvenance, Provenance

CRATE_NAME = "ro-crate-metadata.json"
CRATE_MEDIA_TYPE = "application/ld+json"
_CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
_SPECIFICATION = "https://w3id.org/ro/crate/1.1"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_SOFTWARE = "#clearscope"
_PYTHON = "https://www.python.org/"
_LICENSE = {
    "@id": "#license",
    "@type": "CreativeWork",
    "name": "Not known",
    "description": "Nobody has told under which licence the images are; their owner knows.",
}
"""The specification demands one."""

Entity = dict[str, Any]


def ro_crate(documents: Sequence[Provenance], results: Sequence[MadeArtifact]) -> bytes:
    """Return the metadata file of a folder with the results; `documents`: of each result, at least one."""
    first = documents[0]
    last = documents[-1]
    inputs = list({each.input.image_id: _input(each) for each in documents}.values())
    models = list({entity["@id"]: entity for each in documents for entity in _models(each)}.values())
    settings = list(_settings(first))
    files = [_file(result) for result in results]
    verdict = list(_told(last))
    action = {
        "@id": f"#{first.job_id}",
        "@type": "CreateAction",
        "name": f"ClearScope {first.kind}: {first.methods}",
        "description": "; ".join(f"{_title(each)}{each.estimate}: {each.reason}" for each in first.channels),
        "instrument": {"@id": _SOFTWARE},
        "object": _references([*inputs, *models, *settings]),
        "result": _references([*files, *verdict]),
        "startTime": _time(first.started_at),
        "endTime": _time(last.ended_at or last.started_at),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Denoised images of {', '.join(each['name'] for each in inputs)}",
        "description": f"Results of {first.job_id}, with what they were made from and by.",
        "datePublished": _time(last.ended_at or last.started_at),
        "license": {"@id": _LICENSE["@id"]},
        "conformsTo": {"@id": _PROFILE},
        "hasPart": _references(files),
        "mentions": {"@id": action["@id"]},
    }
    graph = [
        _descriptor(),
        root,
        _LICENSE,
        _profile(),
        action,
        *_software(first),
        *inputs,
        *models,
        *settings,
    ]
    document = {"@context": _CONTEXT, "@graph": [*graph, *files, *verdict]}
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n".encode()


def renamed(crate: bytes, names: Mapping[str, str]) -> bytes:
    """Return the crate with results under other names; the name of a folder ends in a slash."""
    document = json.loads(crate)
    others = {quote(before): quote(after) for before, after in names.items()}
    named = {quote(before): after for before, after in names.items()}
    for entity in document["@graph"]:
        for reference in (*entity.get("hasPart", ()), *entity.get("result", ())):
            reference["@id"] = others.get(reference["@id"], reference["@id"])
        if (name := named.get(entity["@id"])) is not None:
            entity |= {"@id": quote(name), "name": name.rstrip("/")}
            if name.endswith("/"):
                entity["@type"] = "Dataset"
                for of_file in ("encodingFormat", "contentSize", "sha256"):
                    del entity[of_file]
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n".encode()


def _descriptor() -> Entity:
    return {
        "@id": CRATE_NAME,
        "@type": "CreativeWork",
        "conformsTo": {"@id": _SPECIFICATION},
        "about": {"@id": "./"},
    }


def _profile() -> Entity:
    return {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}


def _software(known: Provenance) -> Iterator[Entity]:
    others = [name for name in known.versions if name != "clearscope"]
    yield {
        "@id": _SOFTWARE,
        "@type": "SoftwareApplication",
        "name": "ClearScope",
        "softwareVersion": known.versions.get("clearscope", "unknown"),
        "softwareRequirements": [{"@id": _place_of(name, known.versions[name])} for name in others],
    }
    for name in others:
        place = _place_of(name, known.versions[name])
        software = {"@type": "SoftwareApplication", "name": name, "softwareVersion": known.versions[name]}
        yield {"@id": place, **software, "url": place}


def _place_of(name: str, version: str) -> str:
    return _PYTHON if name == "python" else f"https://pypi.org/project/{name}/{quote(version)}/"


def _input(known: Provenance) -> Entity:
    """Return the input, which is no part of the crate; its digest tells which file it was."""
    series = {} if known.input.series is None else {"position": known.input.series}
    objective = {} if (told := _objective(known)) is None else {"description": f"Objective: {told}"}
    return {
        "@id": f"#{known.input.image_id}",
        "@type": "CreativeWork",
        "name": known.input.filename,
        "identifier": known.input.image_id,
        "sha256": known.input.sha256,
        **series,
        **objective,
    }


def _objective(known: Provenance) -> str | None:
    if known.input.objective is None:
        return None
    told = known.input.objective.model_dump(exclude_none=True)
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in told.items())


def _models(known: Provenance) -> Iterator[Entity]:
    for channel in known.channels:
        for network in channel.networks:
            yield {
                "@id": f"#{network.id}",
                "@type": "CreativeWork",
                "name": f"network, {network.method}",
                "description": network.recipe or network.method,
                "identifier": network.id,
                "sha256": network.sha256,
            }
        if (noise_model := channel.noise_model) is not None:
            yield {
                "@id": f"#{noise_model.id or f'nm-{noise_model.sha256}'}",
                "@type": "CreativeWork",
                "name": f"noise model, {noise_model.origin}",
                "sha256": noise_model.sha256,
                **({"identifier": noise_model.id} if noise_model.id else {}),
            }


def _settings(known: Provenance) -> Iterator[Entity]:
    """Yield the settings of the job, one each; those that are not scalar as JSON."""
    settings = {"preset": known.preset, "seed": known.seed, **known.settings}
    for name, value in settings.items():
        if value is not None:
            text = json.dumps(value) if isinstance(value, dict | list) else value
            yield {"@id": f"#setting-{name}", "@type": "PropertyValue", "name": name, "value": text}


def _told(known: Provenance) -> Iterator[Entity]:
    """Yield the verdict and the warnings, which are results too."""
    if known.verdict is not None:
        verdict = {"name": "removed noise", "value": json.dumps(known.verdict)}
        yield {"@id": "#verdict", "@type": "PropertyValue", **verdict}
    for number, text in enumerate(known.warnings, start=1):
        yield {"@id": f"#warning-{number}", "@type": "PropertyValue", "name": "warning", "value": text}


def _file(result: MadeArtifact) -> Entity:
    return {
        "@id": quote(result.name),
        "@type": "File",
        "name": result.name,
        "encodingFormat": result.media_type,
        "contentSize": str(result.blob.size_bytes),
        "sha256": result.blob.sha256,
    }


def _title(channel: ChannelProvenance) -> str:
    return "" if channel.channel is None else f"{channel.name or f'channel {channel.channel}'}: "


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def _references(entities: Sequence[Entity]) -> list[Entity]:
    return [{"@id": entity["@id"]} for entity in entities]
