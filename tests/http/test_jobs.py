"""Jobs over HTTP: from a noisy image to a denoised one."""

import io
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile
from sqlalchemy import select

from models_store.database.tables import IdempotencyKey
from models_store.repositories.jobs.rows import get_job
from tests.support.answers import problem
from tests.support.application import Application
from tests.support.posted_jobs import LONG, TINY, Document, artifact, ended, post, run, upload, wait_until
from tests.support.result_files import digest, files_of_images

pytestmark = pytest.mark.usefixtures("worker")


def actions(job: Document) -> dict[str, str]:
    return {step["stage"]: step["action"] for step in job["plan"]}


def test_a_noisy_image_comes_back_denoised(api: httpx.Client, noisy_tiff: Path) -> None:
    image_id = upload(api, noisy_tiff)
    queued = post(api, kind="denoise", image_ids=[image_id], budget=TINY)
    stages = ["n2v", "noise_model", "pn2v", "distil", "predict"]
    assert [stage["stage"] for stage in queued["stages"]] == stages
    assert set(actions(queued).values()) == {"compute"}
    job = wait_until(api, queued["id"], ended)
    assert job["state"] == "succeeded", job["error"]
    assert job["progress"] == 1.0
    denoised_yx = tifffile.imread(io.BytesIO(artifact(api, job, "noisy_denoised.tif")))
    observation_yx = tifffile.imread(noisy_tiff)
    assert denoised_yx.shape == observation_yx.shape
    assert denoised_yx.dtype == np.float32
    assert np.isfinite(denoised_yx).all()
    values = job["result"]["values"]
    assert values["estimate"] in values["estimated_mse_adu2"].keys() & {
        "n2v",
        "prior_mean",
        "mmse",
        "distilled",
    }
    assert values["reason"]
    noise_model = api.get(f"/v1/noise-models/{values['noise_model_id']}").json()
    assert noise_model["origin"] == "bootstrap"
    network = api.get(f"/v1/networks/{values['network_id']}").json()
    assert network["method"] == "pn2v"
    assert network["description"]["loss_history"]
    distilled = api.get(f"/v1/networks/{values['distilled_network_id']}").json()
    assert (distilled["method"], distilled["recipe"]) == ("distilled", network["recipe"])
    # The distilled network and the prediction both use the noise model that was fitted again.
    assert distilled["noise_model_id"] == values["noise_model_id"] != network["noise_model_id"]
    assert distilled["description"]["steps"] == TINY["steps"]
    listed = api.get("/v1/networks", params={"method": "distilled"}).json()
    assert distilled["id"] in {each["id"] for each in listed}
    events = [event["kind"] for event in api.get(f"/v1/jobs/{job['id']}/events").json()]
    assert events.count("claimed") == 6
    assert events[-1] == "succeeded"


def test_the_next_image_of_a_microscope_reuses_noise_model_and_networks(
    api: httpx.Client, noisy_tiff: Path
) -> None:
    api.post("/v1/microscopes", json={"name": "reuse scope"})
    first_image, second_image = (upload(api, noisy_tiff, microscope="reuse scope") for _ in range(2))
    preflight = {"kind": "denoise", "image_ids": [first_image], "reuse": "network", "budget": TINY}
    plan = api.post("/v1/jobs/preflight", json=preflight).json()["plan"]
    assert {step["action"] for step in plan} == {"compute"}
    first = run(api, **preflight)
    assert set(actions(first).values()) == {"compute"}

    with_noise_model = run(api, kind="denoise", image_ids=[second_image], reuse="noise_model", budget=TINY)
    assert actions(with_noise_model) == {
        "n2v": "reuse",
        "noise_model": "reuse",
        "pn2v": "compute",
        "distil": "compute",
        "predict": "compute",
    }
    assert "reuse scope" in next(s["why"] for s in with_noise_model["plan"] if s["stage"] == "noise_model")

    with_network = run(api, kind="denoise", image_ids=[second_image], reuse="network", budget=TINY)
    assert [stage["stage"] for stage in with_network["stages"]] == ["predict"]
    reused = {step["stage"]: step["id"] for step in with_network["plan"]}
    made = with_noise_model["result"]["values"]
    assert (reused["pn2v"], reused["distil"]) == (made["network_id"], made["distilled_network_id"])
    assert "distilled" in with_network["result"]["values"]["estimated_mse_adu2"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_result(api: httpx.Client, noisy_tiff: Path) -> None:
    image_id = upload(api, noisy_tiff)
    results = [
        artifact(
            api,
            run(api, kind="denoise", image_ids=[image_id], budget=TINY, seed=seed),
            "noisy_denoised.tif",
        )
        for seed in (3, 3)
    ]
    assert digest(results[0]) == digest(results[1])
    networks = [
        run(api, kind="train", method="n2v", image_ids=[image_id], budget=TINY, seed=seed) for seed in (3, 4)
    ]
    ids = [job["result"]["values"]["network_id"] for job in networks]
    assert len({api.get(f"/v1/networks/{network_id}").json()["sha256"] for network_id in ids}) == 2


def test_stages_can_be_posted_one_by_one(api: httpx.Client, noisy_tiff: Path) -> None:
    image_ids = [upload(api, noisy_tiff)]
    train = post(api, kind="train", image_ids=image_ids, method="n2v", budget=TINY)
    fit = post(api, kind="bootstrap_noise_model", image_ids=image_ids, network={"job": train["id"]})
    fitted = wait_until(api, fit["id"], ended)
    assert fitted["state"] == "succeeded", fitted["error"]
    network_id = api.get(f"/v1/jobs/{train['id']}").json()["result"]["values"]["network_id"]
    predicted = run(api, kind="predict", image_ids=image_ids, network=network_id, output_dtype="same")
    denoised_yx = tifffile.imread(io.BytesIO(artifact(api, predicted, "noisy_denoised.tif")))
    assert denoised_yx.dtype == np.uint16


def test_a_cancelled_job_stays_cancelled(api: httpx.Client, noisy_tiff: Path) -> None:
    job = post(api, kind="denoise", image_ids=[upload(api, noisy_tiff)], budget=LONG)
    wait_until(api, job["id"], lambda job: job["stages"][0]["progress"] > 0)
    cancelled = api.post(f"/v1/jobs/{job['id']}/cancel")
    assert cancelled.json()["state"] == "cancelled"
    assert {stage["state"] for stage in cancelled.json()["stages"]} == {"cancelled"}
    again = api.post(f"/v1/jobs/{job['id']}/cancel")
    problem(again, 409, "job-ended")


def test_a_cancelled_job_can_be_retried(api: httpx.Client, noisy_tiff: Path) -> None:
    job = post(api, kind="denoise", image_ids=[upload(api, noisy_tiff)], budget=TINY)
    api.post(f"/v1/jobs/{job['id']}/cancel")
    retried = api.post(f"/v1/jobs/{job['id']}/retry")
    assert retried.status_code == 202
    assert wait_until(api, job["id"], ended)["state"] == "succeeded"
    assert api.post(f"/v1/jobs/{job['id']}/retry").status_code == 409


def test_an_image_cannot_be_deleted_while_a_job_uses_it(api: httpx.Client, noisy_tiff: Path) -> None:
    image_id = upload(api, noisy_tiff)
    job = post(api, kind="denoise", image_ids=[image_id], budget=LONG)
    refused = api.delete(f"/v1/images/{image_id}")
    assert refused.status_code == 409
    assert job["stages"][0]["id"] in refused.json()["detail"] or job["id"] in refused.json()["detail"]
    api.post(f"/v1/jobs/{job['id']}/cancel")
    assert api.delete(f"/v1/images/{image_id}").status_code == 204


def test_the_same_submission_sent_again_is_the_same_job(api: httpx.Client, noisy_tiff: Path) -> None:
    spec = {"kind": "denoise", "image_ids": [upload(api, noisy_tiff)], "budget": TINY}
    headers = {"Idempotency-Key": "job-1"}
    first, again = (api.post("/v1/jobs", json=spec, headers=headers).json() for _ in range(2))
    assert first["id"] == again["id"]
    other = api.post("/v1/jobs", json={**spec, "seed": 5}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:clearscope:problem:idempotency-mismatch")
    api.post(f"/v1/jobs/{first['id']}/cancel")


def test_a_key_from_before_an_upgrade_answers_the_same_request(
    application: Application, api: httpx.Client, noisy_tiff: Path
) -> None:
    spec = {"kind": "denoise", "image_ids": [upload(api, noisy_tiff)], "budget": LONG}
    headers = {"Idempotency-Key": "job-before-upgrade"}
    first = api.post("/v1/jobs", json=spec, headers=headers).json()
    with application.database.write() as session:
        job = get_job(session, first["id"])
        job.spec = {
            field: value for field, value in job.spec.items() if field not in {"keep_hot_pixels", "prior"}
        }
        known = session.scalars(select(IdempotencyKey).where(IdempotencyKey.resource_id == job.id)).one()
        known.body_sha256 = "0" * 64
    assert api.post("/v1/jobs", json=spec, headers=headers).json()["id"] == first["id"]
    for other in ({"keep_hot_pixels": True}, {"prior": "none"}, {"seed": 5}):
        assert api.post("/v1/jobs", json={**spec, **other}, headers=headers).status_code == 422
    api.post(f"/v1/jobs/{first['id']}/cancel")


def test_images_of_two_profiles_are_not_mixed(api: httpx.Client, noisy_tiff: Path) -> None:
    api.post("/v1/microscopes", json={"name": "mixing scope"})
    ids = [upload(api, noisy_tiff), upload(api, noisy_tiff, microscope="mixing scope")]
    refused = api.post("/v1/jobs", json={"kind": "denoise", "image_ids": ids})
    assert refused.status_code == 422
    assert "mixing scope" in refused.json()["detail"]


def test_jobs_that_wait_for_a_result_end_if_it_cannot_come(api: httpx.Client, noisy_tiff: Path) -> None:
    image_ids = [upload(api, noisy_tiff)]
    job = post(api, kind="denoise", image_ids=image_ids, budget=LONG)
    n2v = job["stages"][0]["id"]
    waiting = {"kind": "bootstrap_noise_model", "image_ids": image_ids, "network": {"job": n2v}}
    dependent = post(api, **waiting)
    api.post(f"/v1/jobs/{job['id']}/cancel")
    ended_with = api.get(f"/v1/jobs/{dependent['id']}").json()
    assert (ended_with["state"], ended_with["error"]["code"]) == ("cancelled", "dependency-failed")
    assert n2v in ended_with["error"]["detail"]
    too_late = api.post("/v1/jobs", json=waiting)
    assert (too_late.status_code, too_late.json()["type"]) == (409, "urn:clearscope:problem:conflict")
    assert api.post(f"/v1/jobs/{dependent['id']}/retry").status_code == 409


def test_a_job_that_makes_no_noise_model_cannot_stand_for_one(api: httpx.Client, noisy_tiff: Path) -> None:
    image_ids = [upload(api, noisy_tiff)]
    network = post(api, kind="train", image_ids=image_ids, method="n2v", budget=LONG)
    spec = {
        "kind": "train",
        "image_ids": image_ids,
        "method": "pn2v",
        "noise_model": {"job": network["id"]},
    }
    refused = api.post("/v1/jobs", json=spec)
    assert refused.status_code == 422
    assert "bootstrap_noise_model" in refused.json()["detail"]
    api.post(f"/v1/jobs/{network['id']}/cancel")


def test_results_of_images_with_the_same_name_have_different_names(
    api: httpx.Client, noisy_tiff: Path
) -> None:
    content = noisy_tiff.read_bytes()
    names = ["cells.tif", "cells.TIF", "cells_2.tif"]
    uploads = [api.post("/v1/images", params={"filename": name}, content=content) for name in names]
    image_ids = [response.json()["id"] for response in uploads]
    network = run(api, kind="train", image_ids=image_ids, method="n2v", budget=TINY)
    network_id = network["result"]["values"]["network_id"]
    job = run(api, kind="predict", image_ids=image_ids, network=network_id)
    made = [each["name"].lower() for each in files_of_images(job)]
    assert len(set(made)) == len(made) == 3


@pytest.mark.parametrize(
    ("spec", "status", "word"),
    [
        ({"kind": "denoise", "image_ids": []}, 422, "image_ids"),
        ({"kind": "denoise", "image_ids": ["img_none"]}, 404, "img_none"),
        ({"kind": "denoise", "image_ids": ["a", "a"]}, 422, "once"),
        ({"kind": "denoise", "image_ids": ["an id"]}, 422, "image_ids"),
        ({"kind": "denoise"}, 422, "image_ids"),
        ({"kind": "sharpen", "image_ids": ["a"]}, 422, "denoise"),
        ({"kind": "denoise", "image_ids": ["a"], "preset": "best"}, 422, "preset"),
        ({"kind": "denoise", "image_ids": ["a"], "colour": 1}, 422, "colour"),
        ({"kind": "predict", "image_ids": ["a"]}, 422, "network"),
    ],
)
def test_an_invalid_spec_is_refused_by_field(
    api: httpx.Client, spec: Document, status: int, word: str
) -> None:
    response = api.post("/v1/jobs", json=spec)
    assert response.status_code == status
    assert word in response.json()["detail"]


def test_pn2v_without_a_noise_model_is_refused(api: httpx.Client, noisy_tiff: Path) -> None:
    spec = {"kind": "train", "image_ids": [upload(api, noisy_tiff)], "method": "pn2v"}
    response = api.post("/v1/jobs", json=spec)
    assert response.status_code == 422
    assert "noise_model" in response.json()["detail"]


def test_unknown_jobs_are_404(api: httpx.Client) -> None:
    for method, path in [("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")]:
        assert api.request(method, f"/v1/jobs/job_none{path}").status_code == 404


def test_an_image_smaller_than_a_patch_is_denoised(api: httpx.Client, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "small.tif"
    tifffile.imwrite(path, rng.poisson(50, (40, 21)).astype(np.uint16))
    job = run(api, kind="denoise", image_ids=[upload(api, path)], budget=TINY)
    denoised_yx = tifffile.imread(io.BytesIO(artifact(api, job, "small_denoised.tif")))
    assert denoised_yx.shape == (40, 21)
