"""The client's documents are those of the server's OpenAPI document; later fields do no harm."""

from typing import Any

import pytest

from app.documents.images import ImageDocument
from clearscope_client import documents
from clearscope_client.documents import Document
from tests.support.application import Application

KINDS: dict[type[Document], str] = {
    documents.Microscope: "MicroscopeDocument",
    documents.Profile: "ProfileDocument",
    documents.Origin: "Origin",
    documents.PixelSize: "PixelSize",
    documents.ImageHeader: "ImageHeader",
    documents.Series: "SeriesDocument",
    documents.UploadedImage: "ImageDocument",
    documents.ArtifactSeries: "ArtifactSeries",
    documents.Artifact: "ArtifactDocument",
    documents.Trust: "Trust",
    documents.JobError: "JobError",
    documents.JobResult: "JobResult",
    documents.PlanStep: "PlanStep",
    documents.Stage: "StageDocument",
    documents.Job: "JobDocument",
    documents.ExpectedTime: "ExpectedTime",
    documents.Preflight: "Preflight",
    documents.NoiseModel: "NoiseModelDocument",
}

Schema = dict[str, Any]


@pytest.fixture(scope="module")
def schemas(application: Application) -> dict[str, Schema]:
    found: dict[str, Schema] = application.asgi.openapi()["components"]["schemas"]
    return found


def test_every_document_of_the_client_is_compared() -> None:
    named = {
        each for each in vars(documents).values() if isinstance(each, type) and issubclass(each, Document)
    }
    assert named - {Document} == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_server_tells_what_the_client_reads(kind: type[Document], schemas: dict[str, Schema]) -> None:
    described = schemas[KINDS[kind]]
    own = kind.model_json_schema()
    for name, field in own["properties"].items():
        assert name in described["properties"], f"the server has no field {name}"
        if name in own.get("required", ()):
            assert name in described["required"], f"the server may leave out {name}"
        told = json_types(described["properties"][name], schemas)
        read = json_types(field, own.get("$defs", {}))
        assert told <= read, f"{name}: the server tells {told}, the client reads {read}"


def test_a_field_that_is_read_as_another_type_is_found(schemas: dict[str, Schema]) -> None:
    told = json_types(schemas["ImageDocument"]["properties"]["origin"], schemas)
    assert told == {"object", "null"}
    assert json_types({"type": "integer"}, {}) == {"integer"}
    assert json_types(ImageDocument.model_json_schema()["properties"]["role"], schemas) == {"string"}


def test_fields_of_later_versions_are_kept() -> None:
    trust = documents.Trust.model_validate({"verdict": "perhaps", "sentence": "", "figures": {"mean": 1}})
    assert trust.model_dump()["figures"] == {"mean": 1}


def json_types(schema: Schema, defined: dict[str, Schema]) -> set[str]:
    """Return the JSON types that a schema allows, with those of what it refers to."""
    if "$ref" in schema:
        return json_types(defined[schema["$ref"].rpartition("/")[2]], defined)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return set().union(*(json_types(each, defined) for each in schema[several]))
    types = schema.get("type", ["array", "boolean", "null", "number", "object", "string"])
    found = {types} if isinstance(types, str) else set(types)
    return found | ({"integer"} if "number" in found else set())
