"""Uploads of files that hold several images: their list, jobs on all or some, and deletion."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from models_store.image_files.image_warnings import NOT_SURVEYED
from models_store.image_files.isolation.client import Isolation
from tests.support.answers import problem
from tests.support.application import Application
from tests.support.lif_files import LifImage, write_lif
from tests.support.posted_jobs import Document, artifact, post, run
from tests.support.result_files import files_of_images

STEP_UM = {"X": 0.1, "Y": 0.1}
SHAPE_YX = (48, 64)
SOME_SURVEYED = (
    "the pixels of 8 of 10 images were surveyed; those of the others are when a job or a preview first reads "
    "them"
)


def photons_yx() -> Any:
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]] / 9
    return 60 + 30 * np.sin(y) * np.cos(x)


def scan(name: str, seed: int) -> LifImage:
    pixels = np.random.default_rng(seed).poisson(photons_yx())
    return LifImage(name, "YX", pixels.astype(np.uint16), STEP_UM)


SCANS = [
    scan("a", 0),
    LifImage("small", "YX", np.ones((8, 8), np.uint16), STEP_UM),
    LifImage("empty", "YX", np.full(SHAPE_YX, 7, np.uint16), STEP_UM),
    *(scan(f"b{seed}", seed) for seed in range(1, 10)),
]
USABLE = [0, *range(3, 12)]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lif(tmp_path_factory.mktemp("scans") / "scans.lif", SCANS)


def upload(api: httpx.Client, path: Path, key: str | None = None, **query: str | int) -> Document:
    response = api.post(
        "/v1/images",
        params={"filename": path.name, **query},
        content=path.read_bytes(),
        headers={} if key is None else {"Idempotency-Key": key},
    )
    assert response.status_code == 201, response.text
    document: Document = response.json()
    return document


@pytest.fixture(scope="module")
def uploaded(api: httpx.Client, scans: Path) -> Document:
    return upload(api, scans)


def ids(document: Document) -> dict[int, str]:
    return {each["index"]: each["image_id"] for each in document["series"] if each["image_id"]}


def preflight_warnings(api: httpx.Client, job: Document) -> list[str]:
    warnings: list[str] = api.post("/v1/jobs/preflight", json=job).raise_for_status().json()["warnings"]
    return warnings


def test_an_upload_lists_all_images_of_its_file(api: httpx.Client, uploaded: Document) -> None:
    listed = uploaded["series"]
    assert [each["name"] for each in listed] == [f"experiment/{image.name}" for image in SCANS]
    assert [each["shape"] for each in listed[:3]] == [[48, 64], [8, 8], [48, 64]]
    assert [each["index"] for each in listed if each["image_id"]] == USABLE
    assert listed[1]["unusable"].startswith("the image is 8 x 8 pixels")
    assert listed[2]["unusable"].startswith("all pixels have the same value (7)")
    assert uploaded["warnings"] == ["the file holds 12 images, of which 10 can be denoised", SOME_SURVEYED]
    assert api.get(f"/v1/images/{uploaded['id']}").json() == uploaded
    assert api.get(uploaded["preview_href"]).content.startswith(b"\x89PNG")


def test_each_image_of_a_file_has_a_document_a_survey_and_a_preview(
    api: httpx.Client, uploaded: Document, scans: Path
) -> None:
    first, last = (api.get(f"/v1/images/{ids(uploaded)[number]}").json() for number in (0, 11))
    assert (last["parent_id"], last["header"]["series"], last["series"]) == (uploaded["id"], 11, [])
    assert [each["name"] for each in last["header"]["series_in_file"]] == ["experiment/b9"]
    # The first images are surveyed at upload, the others when they are first looked at.
    assert first["survey"] is not None
    assert last["survey"] is None
    assert NOT_SURVEYED not in first["warnings"]
    assert NOT_SURVEYED in last["warnings"]
    job = {"kind": "denoise", "image_ids": [first["id"], last["id"]], "preset": "instant"}
    (told,) = [each for each in preflight_warnings(api, job) if NOT_SURVEYED in each]
    assert "series 11" in told
    previews = [api.get(image["preview_href"]).content for image in (first, last, last)]
    assert all(preview.startswith(b"\x89PNG") for preview in previews)
    assert previews[0] != previews[1] == previews[2]
    surveyed = api.get(f"/v1/images/{last['id']}").json()
    assert surveyed["survey"] is not None
    assert NOT_SURVEYED not in surveyed["warnings"]
    assert not [each for each in preflight_warnings(api, job) if NOT_SURVEYED in each]
    assert api.get(last["content_href"]).content == scans.read_bytes()


def test_lists_show_uploads_and_the_images_of_one_if_asked(api: httpx.Client, uploaded: Document) -> None:
    shown = api.get("/v1/images", params={"limit": 200}).json()
    assert uploaded in shown
    assert all(each["parent_id"] is None for each in shown)
    of_one = api.get("/v1/images", params={"parent": uploaded["id"], "limit": 200}).json()
    assert {each["id"] for each in of_one} == set(ids(uploaded).values())


def test_a_job_on_an_upload_works_on_all_its_images(api: httpx.Client, uploaded: Document) -> None:
    job = post(api, kind="denoise", image_ids=[uploaded["id"]])
    assert job["spec"]["image_ids"] == list(ids(uploaded).values())
    assert api.post(f"/v1/jobs/{job['id']}/cancel").is_success


@pytest.mark.parametrize(
    ("fields", "numbers"),
    [
        ({"kind": "denoise", "preset": "instant"}, [3, 0]),
        ({"kind": "predict", "network": "pretrained"}, [5]),
        ({"kind": "train", "method": "n2v"}, [4]),
        ({"kind": "bootstrap_noise_model", "network": "pretrained"}, [0, 4, 5]),
    ],
)
def test_jobs_take_the_images_that_they_name(
    api: httpx.Client, uploaded: Document, fields: Document, numbers: list[int]
) -> None:
    spec = {**fields, "image_ids": [uploaded["id"]], "series": numbers}
    response = api.post("/v1/jobs/preflight", json=spec)
    assert response.status_code == 200, response.text
    job = post(api, **spec)
    assert job["spec"]["image_ids"] == [ids(uploaded)[number] for number in numbers]
    assert api.post(f"/v1/jobs/{job['id']}/cancel").is_success


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"series": [99]}, "has no number 99; name some of 0, 3, 4, 5, 6, 7, 8, 9, 10, 11"),
        ({"series": [0, 1]}, "cannot be denoised: the image is 8 x 8 pixels"),
        ({"series": [2]}, "cannot be denoised: all pixels have the same value (7)"),
        ({"series": [0, 0]}, "each may be named only once"),
        ({"series": []}, "series"),
        ({"series": [0], "alone": 3}, "series: no image of this job has a file with several"),
        ({"twice": 3}, "one is named twice, alone and with the upload"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(
    api: httpx.Client, uploaded: Document, fields: dict[str, Any], words: str
) -> None:
    alone, twice = (ids(uploaded).get(fields.pop(name, -1)) for name in ("alone", "twice"))
    image_ids = [alone] if alone else [uploaded["id"], *([twice] if twice else [])]
    spec = {"kind": "denoise", "image_ids": image_ids, **fields}
    assert words in problem(api.post("/v1/jobs", json=spec), 422, "invalid-request")


def test_results_are_scored_by_the_images_of_a_ground_truth(
    api: httpx.Client, uploaded: Document, tmp_path: Path
) -> None:
    truth = upload(
        api, write_lif(tmp_path / "truth.lif", [scan("t", 20), scan("u", 21)]), role="ground_truth"
    )
    candidates = [{"name": "noisy", "runs": [{"image_ids": [ids(uploaded)[0], ids(uploaded)[3]]}]}]
    spec = {"kind": "evaluate", "ground_truth_ids": [truth["id"]], "candidates": candidates}
    job = post(api, **spec)
    assert job["spec"]["ground_truth_ids"] == list(ids(truth).values())
    assert api.post(f"/v1/jobs/{job['id']}/cancel").is_success


@pytest.mark.usefixtures("worker")
def test_each_image_has_a_result_of_its_own_name(api: httpx.Client, uploaded: Document) -> None:
    job = run(
        api,
        kind="denoise",
        image_ids=[uploaded["id"]],
        series=[11, 0],
        preset="instant",
        outputs=["denoised"],
    )
    names = {
        number: f"scans_s{number}_experiment-{SCANS[number].name}_denoised.ome.tif" for number in (0, 11)
    }
    assert {each["name"]: each["image_id"] for each in files_of_images(job)} == {
        name: ids(uploaded)[number] for number, name in names.items()
    }
    for number, name in names.items():
        denoised = tifffile.imread(io.BytesIO(artifact(api, job, name)))
        error, before = (np.abs(each - photons_yx()).mean() for each in (denoised, SCANS[number].pixels))
        assert error < 0.5 * before


@pytest.fixture
def own(tmp_path: Path, isolation: Isolation) -> Iterator[Application]:
    application = Application(tmp_path / "data", isolation)
    yield application
    application.close()


def test_a_file_is_deleted_with_all_its_images(own: Application, scans: Path) -> None:
    with own.client() as api:
        document = upload(api, scans, key="k")
        assert upload(api, scans, key="k") == document
        one = ids(document)[4]
        assert api.get(f"/v1/images/{one}/preview.png").is_success
        refused = problem(api.delete(f"/v1/images/{one}"), 409, "conflict")
        assert f"is series 4 of the upload {document['id']}" in refused
        job = post(api, kind="denoise", image_ids=[document["id"]], series=[4])
        problem(api.delete(f"/v1/images/{document['id']}"), 409, "conflict")
        assert api.post(f"/v1/jobs/{job['id']}/cancel").is_success
        assert api.delete(f"/v1/images/{document['id']}").status_code == 204
        for image_id in (document["id"], *ids(document).values()):
            problem(api.get(f"/v1/images/{image_id}"), 404, "not-found")
        assert not [path for path in (own.settings.data_dir / "blobs").rglob("*") if path.is_file()]
        assert upload(api, scans, key="k")["id"] != document["id"]
