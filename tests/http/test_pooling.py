"""Noise models pooled from the pixel pairs of many images of a profile, over HTTP."""

from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.answers import problem
from tests.support.application import Application, MakeApplication
from tests.support.databases import migrated_postgres_url
from tests.support.posted_jobs import Document, run, upload
from tests.support.published_files import import_model
from tests.support.services import Postgres
from tests.support.textures import texture

pytestmark = pytest.mark.usefixtures("worker")

SCOPE = "Scope"
IMAGES = 4


def recorded(folder: Path, seed: int, gain_adu: float = 2.0) -> Path:
    rng = np.random.default_rng([16, seed])
    photons_yx = texture(60, 6.0, seed=seed, size_px=128)
    noisy_yx = 100 + gain_adu * rng.poisson(photons_yx) + rng.normal(0, 3, photons_yx.shape)
    path = folder / f"image_{seed}_{gain_adu:g}.tif"
    tifffile.imwrite(path, np.rint(noisy_yx).astype(np.uint16))
    return path


def counted(api: httpx.Client, path: Path) -> str:
    """Upload an image and bootstrap a noise model from it; return the image's id."""
    image_id = upload(api, path, microscope=SCOPE)
    run(api, kind="bootstrap_noise_model", image_ids=[image_id], network="pretrained")
    return image_id


@pytest.fixture(scope="module")
def image_ids(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Images of one profile whose pixel pairs are counted; the last was recorded with another gain."""
    api.post("/v1/microscopes", json={"name": SCOPE}).raise_for_status()
    folder = tmp_path_factory.mktemp("images")
    paths = [recorded(folder, seed) for seed in range(IMAGES)] + [recorded(folder, IMAGES, gain_adu=3.0)]
    return [counted(api, path) for path in paths]


@pytest.fixture(scope="module")
def pooled(api: httpx.Client, image_ids: list[str]) -> Document:
    assert len(image_ids) > IMAGES
    return run(api, kind="pool_noise_model", microscope=SCOPE)


def noise_model(api: httpx.Client, job: Document) -> Document:
    found: Document = api.get(f"/v1/noise-models/{job['result']['values']['noise_model_id']}").json()
    return found


def active(api: httpx.Client) -> Document:
    newest: Document = api.get(
        "/v1/noise-models", params={"microscope": SCOPE, "active_at": "2126-01-01T00:00:00Z"}
    ).json()[0]
    return newest


def test_counts_of_images_make_one_noise_model(
    api: httpx.Client, image_ids: list[str], pooled: Document
) -> None:
    made = noise_model(api, pooled)
    assert (made["origin"], made["belongs_to"]["microscope"]) == ("pooled", SCOPE)
    assert made["fit_quality"]["images"] == IMAGES
    assert made["fit_quality"]["pixel_pairs"] > 0.95 * IMAGES * 128**2
    (left_out,) = pooled["result"]["values"]["left_out"]
    assert left_out["image_ids"] == [image_ids[-1]]
    assert left_out["variance_ratio"] == pytest.approx(1.5, abs=0.15)
    (warning,) = pooled["result"]["values"]["warnings"]
    assert warning.startswith(f"image {image_ids[-1]} is left out: the variance of its noise is 1.")


def test_a_pooled_noise_model_is_used_by_default(
    api: httpx.Client, image_ids: list[str], pooled: Document
) -> None:
    plan = {"kind": "denoise", "image_ids": image_ids[:1], "preset": "instant"}
    steps = api.post("/v1/jobs/preflight", json=plan).json()["plan"]
    (step,) = [step for step in steps if step["stage"] == "noise_model"]
    assert (step["action"], step["id"]) == ("reuse", noise_model(api, pooled)["id"])
    assert "the pooled noise model of Scope / default" in step["why"]


def test_an_image_counts_once_and_pooling_again_replaces(
    api: httpx.Client, image_ids: list[str], pooled: Document
) -> None:
    run(api, kind="bootstrap_noise_model", image_ids=image_ids[:1], network="pretrained", seed=1)
    assert active(api)["id"] == noise_model(api, pooled)["id"]
    again = run(api, kind="pool_noise_model", microscope=SCOPE, seed=2)
    assert noise_model(api, again)["fit_quality"]["images"] == IMAGES
    assert active(api)["version"] == noise_model(api, again)["version"] > noise_model(api, pooled)["version"]


@pytest.mark.slow
def test_counts_are_kept_and_pooled_in_postgresql(
    make_application: MakeApplication, postgres_service: Postgres, tmp_path: Path
) -> None:
    application = make_application(database_url=migrated_postgres_url(postgres_service))
    with application.client() as api, application.worker():
        api.post("/v1/microscopes", json={"name": SCOPE}).raise_for_status()
        for seed in range(IMAGES):
            counted(api, recorded(tmp_path, seed))
        made = noise_model(api, run(api, kind="pool_noise_model", microscope=SCOPE))
        assert made["fit_quality"]["images"] == IMAGES
        assert active(api)["id"] == made["id"]


def test_images_and_kind_can_be_named(api: httpx.Client, image_ids: list[str]) -> None:
    job = run(
        api,
        kind="pool_noise_model",
        microscope=SCOPE,
        profile="default",
        image_ids=image_ids[:4],
        noise_model_kind="histogram",
    )
    made = noise_model(api, job)
    assert (made["kind"], made["fit_quality"]["images"]) == ("histogram", 4)
    assert made["fit_quality"]["verdict"] != "poor"


def test_a_calibrated_or_imported_noise_model_stays_active(api: httpx.Client, image_ids: list[str]) -> None:
    imported = import_model(api, microscope=SCOPE)["id"]
    job = run(api, kind="pool_noise_model", microscope=SCOPE, image_ids=image_ids[:4])
    assert active(api)["id"] == imported
    pooled_id = noise_model(api, job)["id"]
    api.post(f"/v1/noise-models/{pooled_id}/activate").raise_for_status()
    assert active(api)["id"] == pooled_id


@pytest.mark.parametrize(
    ("spec", "status", "code", "words"),
    [
        ({"microscope": "nobody"}, 404, "not-found", "there is no microscope 'nobody'"),
        ({"microscope": SCOPE, "profile": "x"}, 404, "not-found", "has no profile 'x'"),
        ({"microscope": SCOPE, "channel": "DAPI"}, 422, "invalid-request", "those of 0 are kept"),
        ({"microscope": SCOPE, "image_ids": ["img_0"]}, 422, "invalid-request", "no pixel pairs of img_0"),
        (
            {"microscope": SCOPE, "counted_before": "2020-01-01T00:00:00Z"},
            422,
            "invalid-request",
            "pixel pairs of at least 4 images, and those of 0 are kept for default of Scope",
        ),
        ({"microscope": SCOPE, "counted_since": 5}, 422, "invalid-request", "must be a date and time"),
        ({"microscope": SCOPE, "series": [0]}, 422, "invalid-request", "series"),
    ],
)
@pytest.mark.usefixtures("image_ids")
def test_what_cannot_be_pooled_is_refused(
    api: httpx.Client, spec: Document, status: int, code: str, words: str
) -> None:
    answer = api.post("/v1/jobs", json={"kind": "pool_noise_model", **spec})
    assert words in problem(answer, status, code)


def test_jobs_that_use_the_pooled_model_can_refer_to_the_job(
    api: httpx.Client, image_ids: list[str], pooled: Document
) -> None:
    job = run(
        api,
        kind="predict",
        image_ids=image_ids[:1],
        network="pretrained",
        noise_model={"job": pooled["id"]},
    )
    assert job["result"]["values"]["estimate"] == "pretrained"


def test_pooling_needs_a_key_that_may_calibrate_its_microscope(
    application: Application, api: httpx.Client, image_ids: list[str]
) -> None:
    assert image_ids
    api.post("/v1/microscopes", json={"name": "Elsewhere"}).raise_for_status()
    spec = {"kind": "pool_noise_model", "microscope": SCOPE}
    with application.client(application.make_key("reader", "read", "submit")) as client:
        problem(client.post("/v1/jobs", json=spec), 403, "forbidden")
    key = application.make_key("other", "read", "submit", "calibrate", microscopes=["Elsewhere"])
    with application.client(key) as client:
        problem(client.post("/v1/jobs", json=spec), 404, "not-found")
    key = application.make_key("own", "read", "submit", "calibrate", microscopes=[SCOPE])
    with application.client(key) as client:
        assert client.post("/v1/jobs", json=spec).status_code == 202
