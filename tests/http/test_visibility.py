"""Visibility for keys that are bound to a microscope."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from models_store.database import tables, visibility
from models_store.database.table_base import Base
from tests.support.answers import problem, wait_for_status
from tests.support.application import Application
from tests.support.posted_jobs import TINY, run, upload
from tests.support.pretrained_files import small_pretrained_network
from tests.support.published_files import import_model, npz
from worker.engine.simulation import Scmos

OWN, OTHER = "scope of ours", "scope of theirs"


@dataclass(frozen=True)
class Facility:
    """Application with two microscopes, and ids of their data by kind."""

    own: dict[str, str]
    other: dict[str, str]
    unbound: httpx.Client
    bound: httpx.Client
    """Sees OWN only, and may do everything with it."""
    document: dict[str, Any]


@pytest.fixture(scope="module")
def facility(application: Application, noisy_tiff: Path) -> Iterator[Facility]:
    with application.client() as api, application.worker():
        own, other = (furnish(api, name, noisy_tiff) for name in (OWN, OTHER))
    keys = [
        application.make_key("unbound", "admin"),
        application.make_key("bound", "admin", microscopes=[OWN]),
    ]
    client = application.client
    with client(keys[0]) as unbound, client(keys[1]) as bound, client() as nobody:
        wait_for_status(nobody, "/v1/jobs", 401)
        image = f"/v1/images/{other['image_id']}"
        unbound.post(f"{image}/zarr").raise_for_status()
        other["link_id"] = unbound.get(f"{image}/links").json()[0]["id"]
        yield Facility(own, other, unbound, bound, unbound.get("/openapi.json").json())


def furnish(api: httpx.Client, name: str, noisy_tiff: Path) -> dict[str, str]:
    """Create a microscope and one of everything that can belong to it; return the ids by kind."""
    microscope = api.post("/v1/microscopes", json={"name": name}).json()["id"]
    image = upload(api, noisy_tiff, microscope=name)
    job = run(api, kind="train", method="n2v", image_ids=[image], budget=TINY)
    network = job["result"]["values"]["network_id"]
    predicted = run(api, kind="predict", image_ids=[image], network=network)
    noise_model = import_model(api, microscope=name)["id"]
    scene = upload(api, _calibration(noisy_tiff.parent), microscope=name, role="calibration")
    check = run(api, kind="check_noise_model", image_ids=[scene])["result"]["values"]["camera_check_id"]
    _chart_a_camera(api, microscope, noisy_tiff.parent)
    return {
        "microscope": microscope,
        "profile": api.get(f"/v1/images/{image}").json()["origin"]["profile_id"],
        "image_id": image,
        "noise_model_id": noise_model,
        "camera_check_id": check,
        "network_id": network,
        "job_id": job["id"],
        "artifact_id": predicted["result"]["artifacts"][0]["id"],
    }


def _chart_a_camera(api: httpx.Client, microscope: str, folder: Path) -> None:
    """Hold a camera against its calibration once, so that it has control charts."""
    profiles = f"/v1/microscopes/{microscope}/profiles"
    profile = api.post(profiles, json={"camera": "Flash", "camera_serial": "A7"}).json()["id"]
    scene = upload(api, _calibration(folder), profile=profile, role="calibration")
    run(api, kind="fit_noise_model", image_ids=[scene])
    run(api, kind="check_noise_model", image_ids=[scene])


def _calibration(folder: Path) -> Path:
    """Return a stack of frames of one scene, of which a check tells the camera's gain."""
    light = np.tile(np.linspace(1, 40, 64), (64, 1))
    frames = Scmos.with_maps((64, 64), seed=0)
    rng = np.random.default_rng(0)
    path = folder / "scene.tif"
    tifffile.imwrite(path, np.stack([frames.observe(light, rng) for _ in range(6)]), photometric="minisblack")
    return path


OF_KEYS = ("/v1/keys", "/v1/uploads")
"""Routes of what belongs to keys, whatever microscopes they see; they have tests of their own."""


def filled(path: str, things: dict[str, str]) -> str:
    path = path.replace("{figure}", "gain").replace("{plane}/tiles/{level}/{x}_{y}", "0/tiles/0/0_0")
    path = path.replace("{plane}/profile", "0/profile?from_x=0&from_y=0&to_x=9&to_y=9").replace(
        "{plane}", "0"
    )
    for kind, thing_id in things.items():
        path = path.replace(f"{{{kind}}}", thing_id)
    assert "{" not in path
    return path


def paths(facility: Facility, method: str, *, with_id: bool) -> list[str]:
    found = [path for path, operations in facility.document["paths"].items() if method in operations]
    return [
        path
        for path in found
        if path.startswith("/v1") and not path.startswith(OF_KEYS) and ("{" in path) is with_id
    ]


def test_documents_and_files_of_another_microscope_are_not_found(facility: Facility) -> None:
    routes = paths(facility, "get", with_id=True)
    assert len(routes) >= 13
    for path in routes:
        assert facility.unbound.get(filled(path, facility.other)).status_code == 200, path
        assert facility.bound.get(filled(path, facility.own)).status_code == 200, path
        problem(facility.bound.get(filled(path, facility.other)), 404, "not-found")
    mixed = f"/v1/microscopes/{facility.own['microscope']}/profiles/{facility.other['profile']}"
    problem(facility.bound.get(mixed), 404, "not-found")
    problem(facility.bound.get(f"/v1/microscopes/{OTHER}"), 404, "not-found")


def test_nothing_of_another_microscope_can_be_changed(facility: Facility) -> None:
    bodies = {
        "/profiles": {"name": "mine"},
        "/images/{image_id}": {"microscope": OWN},
        "/microscopes/{microscope}": {"notes": "mine"},
    }
    for method in ("post", "patch", "delete"):
        for path in paths(facility, method, with_id=True):
            body = next(({"json": body} for end, body in bodies.items() if path.endswith(end)), {})
            answer = facility.bound.request(method, filled(path, facility.other), **body)  # type: ignore[arg-type]  # httpx's arguments
            problem(answer, 404, "not-found")
    (link,) = facility.unbound.get(f"/v1/images/{facility.other['image_id']}/links").raise_for_status().json()
    assert link["id"] == facility.other["link_id"]


def test_lists_contain_nothing_of_another_microscope(facility: Facility, noisy_tiff: Path) -> None:
    anonymous = upload(facility.unbound, noisy_tiff)
    for path in paths(facility, "get", with_id=False):
        listed = facility.bound.get(path).text
        everything = facility.unbound.get(path).text
        listed_kind = path.split("/")[2].replace("-", "_")[:-1]
        kind = next(kind for kind in facility.own if kind.startswith(listed_kind))
        assert facility.own[kind] in listed, path
        assert facility.other[kind] in everything, path
        for hidden in (*facility.other.values(), OTHER, anonymous):
            assert hidden not in listed, path
        pages = facility.bound.get(path, params={"limit": 1})
        while "next" in pages.links:
            pages = facility.bound.get(pages.links["next"]["url"])
            assert not any(hidden in pages.text for hidden in facility.other.values())
        if path not in {"/v1/jobs", "/v1/jobs/events", "/v1/microscopes"}:
            for wanted in ({"microscope": OTHER}, {"profile": facility.other["profile"]}):
                problem(facility.bound.get(path, params=wanted), 404, "not-found")
    assert facility.bound.get(f"/v1/images/{anonymous}").status_code == 404


def test_a_job_cannot_name_data_that_its_key_cannot_see(facility: Facility) -> None:
    own, other = facility.own, facility.other
    predict = {"kind": "predict", "image_ids": [own["image_id"]], "network": own["network_id"]}
    train = {"kind": "train", "method": "pn2v", "image_ids": [own["image_id"]]}
    distil = {**train, "method": "distilled", "noise_model": own["noise_model_id"]}
    denoise = {"kind": "denoise", "image_ids": [own["image_id"]]}
    for spec in (
        {**predict, "image_ids": [other["image_id"]]},
        {**denoise, "image_ids": [own["image_id"], other["image_id"]]},
        {**denoise, "noise_model": other["noise_model_id"]},
        {**denoise, "pretrained": other["network_id"]},
        {**denoise, "pretrained_stack": other["network_id"]},
        {**predict, "network": other["network_id"]},
        {**predict, "network": {"job": other["job_id"]}},
        {**predict, "compare_with": other["network_id"]},
        {**predict, "noise_model": other["noise_model_id"]},
        {**train, "noise_model": other["noise_model_id"]},
        {**train, "noise_model": own["noise_model_id"], "start": other["network_id"]},
        {**distil, "teacher": other["network_id"]},
        {**predict, "distilled": other["network_id"]},
        {**train, "kind": "bootstrap_noise_model", "network": other["network_id"]},
    ):
        if spec["kind"] == "bootstrap_noise_model":
            del spec["method"]
        for path in ("/v1/jobs", "/v1/jobs/preflight"):
            problem(facility.bound.post(path, json=spec), 404, "not-found")
    posted = facility.bound.post("/v1/jobs", json=predict)
    assert posted.status_code == 202, posted.text
    facility.bound.post(f"/v1/jobs/{posted.json()['id']}/cancel")


def test_a_bound_key_adds_to_its_own_microscope_only(facility: Facility, noisy_tiff: Path) -> None:
    refused = facility.bound.post("/v1/microscopes", json={"name": "one more"})
    assert "bound" in problem(refused, 403, "forbidden")
    files = {
        "/v1/images?filename=a.tif": noisy_tiff.read_bytes(),
        "/v1/noise-models/import?": npz(),
        "/v1/networks/import?": small_pretrained_network(),
    }
    for path, content in files.items():
        assert "microscope" in problem(facility.bound.post(path, content=content), 422, "invalid-request")
        problem(facility.bound.post(f"{path}&microscope={OTHER}", content=content), 404, "not-found")
    assert upload(facility.bound, noisy_tiff, microscope=OWN)
    profile = facility.bound.post(f"/v1/microscopes/{OWN}/profiles", json={"name": "new"})
    assert profile.status_code == 201
    assert upload(facility.bound, noisy_tiff, profile=profile.json()["id"])


def test_idempotency_keys_are_separate_for_each_api_key(facility: Facility, noisy_tiff: Path) -> None:
    def send(api: httpx.Client) -> str:
        answer = api.post(
            "/v1/images",
            params={"filename": "a.tif", "microscope": OWN},
            content=noisy_tiff.read_bytes(),
            headers={"Idempotency-Key": "of everybody"},
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def post(api: httpx.Client) -> str:
        spec = {"kind": "denoise", "image_ids": [facility.own["image_id"]]}
        answer = api.post("/v1/jobs", json=spec, headers={"Idempotency-Key": "of everybody"})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    for act in (send, post):
        ids = [act(api) for api in (facility.unbound, facility.bound, facility.unbound, facility.bound)]
        assert ids[:2] == ids[2:]
        assert ids[0] != ids[1]
    for job_id in ids[:2]:
        facility.unbound.post(f"/v1/jobs/{job_id}/cancel")
    # The Idempotency-Key of a deleted image can be reused, whoever deleted the image.
    facility.unbound.delete(f"/v1/images/{send(facility.bound)}").raise_for_status()
    assert facility.bound.get(f"/v1/images/{send(facility.bound)}").status_code == 200


def test_ground_truth_and_results_of_another_microscope_are_not_compared(
    facility: Facility, noisy_tiff: Path
) -> None:
    own, other = facility.own["image_id"], facility.other["image_id"]
    job = facility.unbound.post(
        "/v1/jobs", json={"kind": "predict", "image_ids": [other], "network": facility.other["network_id"]}
    ).json()["id"]
    image_run, job_run = ({"name": "theirs", "runs": [run]} for run in ({"image_ids": [other]}, {"job": job}))
    truth = upload(facility.bound, noisy_tiff, microscope=OWN, role="ground_truth")
    hidden = [
        {"kind": "train", "method": "care", "image_ids": [own], "ground_truth_ids": [other]},
        {"kind": "evaluate", "ground_truth_ids": [other], "candidates": [image_run]},
        {"kind": "evaluate", "ground_truth_ids": [truth], "candidates": [image_run]},
        {"kind": "evaluate", "ground_truth_ids": [truth], "candidates": [job_run]},
    ]
    for spec in hidden:
        assert facility.bound.post("/v1/jobs", json=spec).status_code == 404
    own_run = {"name": "ours", "runs": [{"image_ids": [own]}]}
    spec = {"kind": "evaluate", "ground_truth_ids": [truth], "candidates": [own_run]}
    evaluation = facility.bound.post("/v1/jobs", json=spec)
    assert evaluation.status_code == 202, evaluation.text
    assert facility.bound.get(evaluation.headers["location"]).status_code == 200


def test_cancelling_a_job_ends_its_dependents_even_if_they_are_invisible(facility: Facility) -> None:
    """A job of another microscope that needs one of ours ends with it, although we cannot see it."""
    train = {"kind": "train", "method": "n2v", "image_ids": [facility.own["image_id"]]}
    ours = facility.bound.post("/v1/jobs", json=train).json()["id"]
    theirs = facility.unbound.post(
        "/v1/jobs",
        json={"kind": "predict", "image_ids": [facility.other["image_id"]], "network": {"job": ours}},
    ).json()["id"]
    assert facility.bound.get(f"/v1/jobs/{theirs}").status_code == 404
    facility.bound.post(f"/v1/jobs/{ours}/cancel").raise_for_status()
    assert facility.unbound.get(f"/v1/jobs/{theirs}").json()["state"] == "cancelled"


def test_every_table_has_a_visibility_rule() -> None:
    """Every table is either filtered by microscope or listed here."""
    narrowed = {option.entity.class_ for option in visibility.visibility_criteria("key_1", ["mic_1"])}  # type: ignore[attr-defined]  # SQLAlchemy's option
    of_no_microscope = {tables.IdempotencyKey, tables.Worker, tables.Sweep, tables.Retention}
    of_no_microscope |= {tables.ResumableUpload, tables.UploadPart}  # found by their own key alone
    of_no_microscope |= {tables.ShareLink}  # found by the image or artifact that they lead to
    assert {mapper.class_ for mapper in Base.registry.mappers} == narrowed | of_no_microscope
