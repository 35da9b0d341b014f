"""Distilled networks over HTTP: posted as separate jobs, and refused where they make no sense."""

import io
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from models_store.contracts.vocabulary import DEFAULT_PRESET
from tests.support.posted_jobs import (
    TINY,
    Document,
    artifact,
    ended,
    post,
    run,
    upload,
    wait_for_success,
    wait_until,
)
from worker.engine.training.presets import PRESETS

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture(scope="module")
def image_id(api: httpx.Client, noisy_tiff: Path) -> str:
    return upload(api, noisy_tiff)


@pytest.fixture(scope="module")
def denoised(api: httpx.Client, image_id: str) -> Document:
    """Finished job with a noise model, a PN2V network and a distilled network."""
    job = run(api, kind="denoise", image_ids=[image_id], budget=TINY)
    values: Document = job["result"]["values"]
    return values


@pytest.fixture(scope="module")
def correlated_id(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Image as bright as the other one, with noise that correlates by 0.4 along x."""
    y, x = np.mgrid[:96, :80] / 12.0
    white = np.random.default_rng(5).normal(0, 10, (96, 81))
    observation_yx = 160 + 50 * np.sin(y) * np.cos(x) + white[:, 1:] + 0.5 * white[:, :-1]
    path = tmp_path_factory.mktemp("correlated") / "correlated.tif"
    tifffile.imwrite(path, np.rint(observation_yx).astype(np.uint16))
    return upload(api, path)


@pytest.fixture(scope="module")
def n2v_id(api: httpx.Client, image_id: str) -> str:
    job_id: str = post(api, kind="train", method="n2v", image_ids=[image_id], budget=TINY)["id"]
    return job_id


def test_a_network_is_distilled_and_used_by_separate_jobs(
    api: httpx.Client, image_id: str, denoised: Document
) -> None:
    training: str = post(
        api,
        kind="train",
        method="distilled",
        image_ids=[image_id],
        teacher=denoised["network_id"],
        noise_model=denoised["noise_model_id"],
        refit_noise_model=True,
        budget=TINY,
    )["id"]
    alone = post(api, kind="predict", image_ids=[image_id], network={"job": training})
    beside = {"network": denoised["network_id"], "distilled": {"job": training}}
    compared = run(api, kind="predict", image_ids=[image_id], **beside)
    assert "distilled" in compared["result"]["values"]["estimated_mse_adu2"]

    job = wait_for_success(api, alone["id"])
    assert job["result"]["values"]["estimate"] == "distilled"
    denoised_yx = tifffile.imread(io.BytesIO(artifact(api, job, "noisy_denoised.tif")))
    assert np.isfinite(denoised_yx).all()
    network_id = api.get(f"/v1/jobs/{training}").json()["result"]["values"]["network_id"]
    network = api.get(f"/v1/networks/{network_id}").json()
    assert (network["method"], network["noise_model_id"]) == ("distilled", denoised["noise_model_id"])


def test_a_distilled_network_is_no_candidate_if_the_noise_correlates(
    api: httpx.Client, denoised: Document, correlated_id: str
) -> None:
    networks = {"network": denoised["network_id"], "distilled": denoised["distilled_network_id"]}
    job = run(api, kind="predict", image_ids=[correlated_id], **networks)
    values = job["result"]["values"]
    assert values["estimate"] in {"prior_mean", "mmse"}
    assert "distilled" not in values["estimated_mse_adu2"]
    assert "distilled network's estimate does not compete" in values["reason"]

    needed = {"teacher": denoised["network_id"], "noise_model": denoised["noise_model_id"]}
    training = post(api, kind="train", method="distilled", image_ids=[correlated_id], **needed)
    job = wait_until(api, training["id"], ended)
    assert job["state"] == "failed"
    assert "correlated" in job["error"]["detail"]


def test_a_teacher_takes_fewer_steps_if_it_will_be_distilled(
    api: httpx.Client, image_id: str, correlated_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = replace(PRESETS[DEFAULT_PRESET], n2v_steps=20, patches_per_step=1, patch_px=32)
    monkeypatch.setitem(PRESETS, DEFAULT_PRESET, preset)
    assert preset.of_teachers().n2v_steps < preset.n2v_steps
    for image, steps in (
        (image_id, preset.of_teachers().n2v_steps),
        (correlated_id, preset.n2v_steps),
    ):
        training = run(
            api, kind="train", method="n2v", image_ids=[image], teaches=True, budget={"features": 4}
        )
        network_id = training["result"]["values"]["network_id"]
        assert api.get(f"/v1/networks/{network_id}").json()["description"]["steps"] == steps


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"teacher": None}, "teacher: a distilled network learns"),
        ({"noise_model": None}, "noise_model: a distilled network needs a noise model"),
        ({"teacher": "{distilled}"}, "teacher: the network's method is distilled; name one of method pn2v"),
        ({"teacher": {"job": "{n2v_job}"}}, "teacher: the network's method is n2v"),
        ({"method": "pn2v"}, "teacher: PN2V has no teacher"),
        ({"method": "pn2v", "teacher": None, "refit_noise_model": True}, "refit_noise_model: PN2V"),
        ({"preset": "paper"}, "preset: paper distils no network; take fast or balanced"),
        ({"structured_mask": {"x_px": 1}}, "structured_mask: a distilled network"),
        ({"start": "{pn2v}"}, "start: a distilled network"),
        ({"teaches": True}, "teaches: no distilled network learns from a distilled network"),
        (
            {"method": "pn2v", "teacher": None, "teaches": True, "preset": "paper"},
            "teaches: the preset paper distils no network",
        ),
        (
            {"method": "pn2v", "teacher": None, "teaches": True, "structured_mask": {"x_px": 1}},
            "teaches: the structured mask is for correlated noise",
        ),
        ({"ground_truth_ids": ["{image}"]}, "ground_truth_ids: a distilled network"),
        ({"kind": "predict", "network": "{pn2v}", "distilled": "{pn2v}"}, "distilled: the network's method"),
        (
            {"kind": "predict", "network": "{pn2v}", "compare_with": "{distilled}"},
            "compare_with: a distilled",
        ),
        ({"kind": "bootstrap_noise_model", "network": "{distilled}"}, "network: a distilled network cannot"),
    ],
)
def test_a_distillation_that_makes_no_sense_is_refused_by_field(
    api: httpx.Client, image_id: str, denoised: Document, n2v_id: str, change: Document, words: str
) -> None:
    known = {
        "{image}": image_id,
        "{pn2v}": denoised["network_id"],
        "{distilled}": denoised["distilled_network_id"],
        "{n2v_job}": n2v_id,
    }

    def filled(value: object) -> object:
        if isinstance(value, dict):
            return {key: filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [filled(each) for each in value]
        return known.get(value, value) if isinstance(value, str) else value

    training = {
        "method": "distilled",
        "teacher": denoised["network_id"],
        "noise_model": denoised["noise_model_id"],
    }
    spec = {"kind": "train", "image_ids": [image_id], **(training if "kind" not in change else {})}
    response = api.post(
        "/v1/jobs/preflight", json={**spec, **{key: filled(each) for key, each in change.items()}}
    )
    assert response.status_code == 422
    assert words in response.json()["detail"]
