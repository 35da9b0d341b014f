"""Networks that start from the pretrained one, over HTTP."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from models_store.contracts.vocabulary import DEFAULT_PRESET
from tests.support.answers import problem
from tests.support.posted_jobs import TINY, Document, artifact, run, upload
from tests.support.pretrained_files import small_pretrained_network
from worker.engine.training.adaptation import Adaptation
from worker.engine.training.presets import PRESETS

pytestmark = pytest.mark.usefixtures("worker")

PRETRAINED = {"teacher": "pretrained", "start": "pretrained"}


@pytest.fixture(scope="module")
def image_id(api: httpx.Client, noisy_tiff: Path) -> str:
    return upload(api, noisy_tiff)


@pytest.fixture(scope="module")
def denoised(api: httpx.Client, image_id: str) -> Iterator[Document]:
    """A finished job with the defaults, but for few steps."""
    with pytest.MonkeyPatch.context() as patch:
        quick = replace(
            PRESETS[DEFAULT_PRESET], adaptation=Adaptation(steps=4, learning_rate=1e-4), patch_px=32
        )
        patch.setitem(PRESETS, DEFAULT_PRESET, quick)
        yield run(api, kind="denoise", image_ids=[image_id])


def _actions(job: Document) -> dict[str, str]:
    return {step["stage"]: step["action"] for step in job["plan"]}


def test_by_default_the_pretrained_network_is_adapted_to_the_image(
    api: httpx.Client, denoised: Document
) -> None:
    assert _actions(denoised) == {
        "n2v": "skip",
        "noise_model": "compute",
        "pn2v": "skip",
        "distil": "compute",
        "predict": "compute",
    }
    values = denoised["result"]["values"]
    assert set(values["estimated_mse_adu2"]) == {"distilled", "pretrained"}
    network = api.get(f"/v1/networks/{values['distilled_network_id']}").json()
    assert network["description"]["steps"] == 4
    assert network["recipe"].endswith(f" prior={DEFAULT_PRESET.adaptation_digest}")
    std = tifffile.imread(io.BytesIO(artifact(api, denoised, "noisy_posterior_std.tif")))
    assert (std > 0).all()


def test_separate_jobs_give_the_same_result(
    api: httpx.Client, image_id: str, denoised: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = denoised["result"]["values"]
    quick = replace(PRESETS[DEFAULT_PRESET], adaptation=Adaptation(steps=4, learning_rate=1e-4), patch_px=32)
    monkeypatch.setitem(PRESETS, DEFAULT_PRESET, quick)
    known = {"image_ids": [image_id], "noise_model": values["noise_model_id"]}
    training = run(api, kind="train", method="distilled", **known, **PRETRAINED)
    distilled = training["result"]["values"]["network_id"]
    job = run(api, kind="predict", network="pretrained", distilled=distilled, **known)
    one, other = (
        tifffile.imread(io.BytesIO(artifact(api, each, "noisy_denoised.tif"))) for each in (denoised, job)
    )
    assert np.array_equal(one, other)


def test_a_job_without_a_pn2v_network_is_no_source_of_one(
    api: httpx.Client, image_id: str, denoised: Document
) -> None:
    made = {"job": denoised["id"]}
    for spec in (
        {"kind": "predict", "network": made},
        {"kind": "predict", "network": "pretrained", "distilled": made},
        {"kind": "bootstrap_noise_model", "network": made},
    ):
        detail = problem(api.post("/v1/jobs", json=spec | {"image_ids": [image_id]}), 422, "invalid-request")
        assert "makes no PN2V network" in detail
        assert "distilled_network_id" in detail
    known = denoised["result"]["values"]["noise_model_id"]
    spec = {"kind": "predict", "image_ids": [image_id], "network": "pretrained", "noise_model": made}
    job = run(api, **spec)
    assert job["result"]["values"].get("noise_model_id") is None
    reuser = run(api, kind="denoise", image_ids=[image_id], preset="instant", noise_model=known)
    spec |= {"noise_model": {"job": reuser["id"]}}
    assert f"reuses {known}" in problem(api.post("/v1/jobs", json=spec), 422, "invalid-request")


def test_later_images_reuse_the_network_that_was_adapted(
    api: httpx.Client, noisy_tiff: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = replace(PRESETS[DEFAULT_PRESET], adaptation=Adaptation(steps=4, learning_rate=1e-4), patch_px=32)
    monkeypatch.setitem(PRESETS, DEFAULT_PRESET, quick)
    microscope = api.post("/v1/microscopes", json={"name": "Scope of many images"}).json()["id"]
    tifffile.imwrite(tmp_path / "later.tif", tifffile.imread(noisy_tiff)[::-1])
    first, later = (upload(api, path, microscope=microscope) for path in (noisy_tiff, tmp_path / "later.tif"))
    adapted = run(api, kind="denoise", image_ids=[first])["result"]["values"]["distilled_network_id"]
    job = run(api, kind="denoise", image_ids=[later], reuse="network")
    (step,) = (step for step in job["plan"] if step["stage"] == "distil")
    assert (step["action"], step["id"]) == ("reuse", adapted)
    assert set(job["result"]["values"]["estimated_mse_adu2"]) == {"distilled", "pretrained"}
    (network,) = api.get("/v1/networks", params={"microscope": microscope}).json()
    assert network["id"] == adapted
    noise_model = next(step["id"] for step in job["plan"] if step["stage"] == "noise_model")
    known = {"network": "pretrained", "distilled": adapted, "noise_model": noise_model}
    alone = run(api, kind="predict", image_ids=[later], **known)
    one, other = (
        tifffile.imread(io.BytesIO(artifact(api, each, "later_denoised.tif"))) for each in (job, alone)
    )
    assert np.array_equal(one, other)
    # It learned from the packaged network: with one of the microscope's own, another is adapted.
    own = api.post(
        "/v1/networks/import", params={"microscope": microscope}, content=small_pretrained_network()
    )
    assert own.is_success
    for fields, action in (({}, "compute"), ({"pretrained": "packaged"}, "reuse")):
        spec = {"kind": "denoise", "image_ids": [later], "reuse": "network", **fields}
        plan = api.post("/v1/jobs/preflight", json=spec).json()["plan"]
        assert [step["action"] for step in plan if step["stage"] == "distil"] == [action]


def test_where_the_pretrained_network_fails_n2v_takes_its_place(
    api: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The survey does not take these squares for correlated noise."""
    y, x = np.mgrid[:96, :96] // 2
    photons = np.random.default_rng(0).poisson(40 * (0.1 + 0.8 * ((y + x) % 2)))
    path = tmp_path / "squares.tif"
    tifffile.imwrite(path, (100 + 2 * photons).astype(np.uint16))
    quick = replace(PRESETS[DEFAULT_PRESET], n2v_steps=4, features=4, patch_px=32)
    monkeypatch.setitem(PRESETS, DEFAULT_PRESET, quick)
    values = run(api, kind="denoise", image_ids=[upload(api, path)])["result"]["values"]
    assert set(values["estimated_mse_adu2"]) == {"n2v", "pretrained"}
    assert any("regular pattern" in warning for warning in values["warnings"])
    network = api.get(f"/v1/networks/{values['distilled_network_id']}").json()
    assert network["method"] == "n2v"
    assert "prior" not in network["recipe"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"prior": "none", "budget": TINY}, None),
        ({"budget": TINY}, "budget"),
        ({"budget": TINY, "outputs": ["mmse"]}, "budget"),
    ],
)
def test_without_it_networks_are_trained_from_nothing(
    api: httpx.Client, image_id: str, change: Document, why: str | None
) -> None:
    response = api.post("/v1/jobs", json={"kind": "denoise", "image_ids": [image_id], **change})
    assert response.status_code == 202
    assert _actions(response.json())["pn2v"] == "compute"
    api.post(f"/v1/jobs/{response.json()['id']}/cancel")
    if why is not None:
        named = {"kind": "denoise", "image_ids": [image_id], "prior": "pretrained", **change}
        refused = api.post("/v1/jobs", json=named)
        assert refused.status_code == 422
        assert why in refused.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "paper", "prior": "pretrained"},
        {"preset": "instant", "prior": "none"},
        {"prior": "pretrained", "structured_mask": {"x_px": 2}},
        {"prior": "pretrained", "outputs": ["prior_mean"]},
        {"prior": "something"},
    ],
)
def test_a_prior_that_does_not_go_with_the_job_is_refused(
    api: httpx.Client, image_id: str, wrong: Document
) -> None:
    refused = api.post("/v1/jobs", json={"kind": "denoise", "image_ids": [image_id], **wrong})
    assert refused.status_code == 422
    assert "prior" in refused.text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"method": "n2v", "start": "pretrained", "preset": "paper"}, "never uses the pretrained network"),
        ({"method": "n2v", "start": "pretrained", "budget": {"features": 8}}, "a size of its own"),
        ({"method": "distilled", "teacher": "pretrained", "noise_model": "{known}"}, "name pretrained"),
        ({"method": "pn2v", "start": "pretrained", "noise_model": "{known}"}, "PN2V does not start"),
        (
            {"method": "distilled", **PRETRAINED, "noise_model": "{known}", "refit_noise_model": True},
            "no PN2V network",
        ),
        ({"method": "n2v", "pretrained_stack": "packaged"}, "with the pretrained network only"),
    ],
)
def test_a_training_that_cannot_start_from_it_is_refused(
    api: httpx.Client, image_id: str, denoised: Document, wrong: Document, words: str
) -> None:
    known = denoised["result"]["values"]["noise_model_id"]
    spec = {name: known if value == "{known}" else value for name, value in wrong.items()}
    refused = api.post("/v1/jobs", json={"kind": "train", "image_ids": [image_id], **spec})
    assert refused.status_code == 422
    assert words in refused.text
