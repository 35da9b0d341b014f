"""Provenance of jobs' results: in the files, and as an RO-Crate among the artifacts."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.posted_jobs import TINY, Document, artifact, run, upload
from tests.support.result_files import files_of_images, provenance_of

CRATE = "ro-crate-metadata.json"


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cells") / "my cells.tif"
    y, x = np.mgrid[:48, :64] / 9
    signal = 190 + 60 * np.sin(y) * np.cos(x)
    pixels = np.clip(np.random.default_rng(3).normal(signal, 40, (2, 48, 64)), 0, 255)
    tifffile.imwrite(path, pixels.astype("uint8"), photometric="minisblack", metadata={"axes": "TYX"})
    return path


def _entities(crate: Document) -> dict[str, Document]:
    return {entity["@id"]: entity for entity in crate["@graph"]}


@pytest.mark.usefixtures("worker")
def test_files_and_crate_tell_how_a_result_was_made(api: httpx.Client, cells: Path) -> None:
    image_id = upload(api, cells)
    job = run(api, kind="denoise", image_ids=[image_id], budget=TINY, seed=5, output_dtype="same")
    (crate,) = [each for each in job["result"]["artifacts"] if each["name"] == CRATE]
    assert (crate["media_type"], crate["image_id"]) == ("application/ld+json", None)
    entities = _entities(json.loads(artifact(api, job, CRATE)))
    results = files_of_images(job)
    for made in results:
        provenance, _ = provenance_of(artifact(api, job, made["name"]))
        _check_document(provenance, job, cells)
        file = entities[made["name"].replace(" ", "%20")]
        assert (file["sha256"], file["contentSize"]) == (made["sha256"], str(made["size"]))
    of_job = {each["name"]: each for each in job["result"]["artifacts"] if each["image_id"] is None}
    for name in ("trust-report.json", "trust-preview.png"):
        assert (entities[name]["sha256"], {"@id": name} in entities["./"]["hasPart"]) == (
            of_job[name]["sha256"],
            True,
        )
    _check_documented(api, job)
    action = entities[f"#{job['id']}"]
    assert {each["@id"] for each in entities["./"]["hasPart"]} <= {each["@id"] for each in action["result"]}
    objects = [entities[each["@id"]] for each in action["object"]]
    values = job["result"]["values"]
    identifiers = {each.get("identifier") for each in objects}
    assert {image_id, values["network_id"], values["noise_model_id"]} <= identifiers
    assert {"@id": "#setting-seed"} in action["object"]
    assert entities["#setting-seed"]["value"] == 5
    # What the specification and the profile demand.
    assert entities[CRATE]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert entities[entities["./"]["license"]["@id"]]["name"]
    (software,) = [each for each in entities.values() if each.get("name") == "ClearScope"]
    assert {each["@id"] for each in software["softwareRequirements"]} <= entities.keys()
    for entity in entities.values():
        for name in ("object", "result", "hasPart"):
            assert {each["@id"] for each in entity.get(name, ())} <= entities.keys()


def _check_documented(api: httpx.Client, job: Document) -> None:
    """The API's document names the media types of all files, and says that JSON is no binary string."""
    route = api.get("/openapi.json").json()["paths"]["/v1/artifacts/{artifact_id}/content"]["get"]
    documented = route["responses"]["200"]["content"]
    media_types = {each["media_type"] for each in job["result"]["artifacts"]}
    assert {"image/png", "application/json"} <= media_types <= documented.keys()
    assert documented["image/png"]["schema"]["format"] == "binary"
    assert "object" in documented["application/json"]["schema"]["type"]


def _check_document(provenance: dict[str, Any], job: Document, cells: Path) -> None:
    values = job["result"]["values"]
    assert (provenance["job_id"], provenance["preset"], provenance["seed"]) == (job["id"], "balanced", 5)
    assert provenance["input"]["filename"] == cells.name
    assert provenance["input"]["sha256"] == hashlib.sha256(cells.read_bytes()).hexdigest()
    (channel,) = provenance["channels"]
    assert channel["estimate"] == values["estimate"]
    assert channel["precision"] == values["precision"] == ["float32"]
    assert channel["noise_model"]["id"] == values["noise_model_id"]
    assert {"network", "compare_with"} <= {network["role"] for network in channel["networks"]}
    assert provenance["started_at"] <= provenance["ended_at"]
    assert provenance["verdict"]["planes"] == values["removed_noise"]["planes"]
    assert {"clearscope", "torch", "tifffile"} <= provenance["versions"].keys()
