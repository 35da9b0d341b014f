"""The preset `instant` over HTTP: a denoised image without any training."""

import io
import json
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.support.posted_jobs import TINY, Document, artifact, run, upload
from tests.support.textures import observe, texture

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture(scope="module")
def image_id(api: httpx.Client, noisy_tiff: Path) -> str:
    return upload(api, noisy_tiff)


def test_an_image_is_denoised_by_the_pretrained_network(
    api: httpx.Client, image_id: str, noisy_tiff: Path
) -> None:
    job = run(api, kind="denoise", image_ids=[image_id], preset="instant")
    assert {step["stage"]: step["action"] for step in job["plan"]} == {
        "n2v": "skip",
        "noise_model": "compute",
        "pn2v": "skip",
        "distil": "skip",
        "predict": "compute",
    }
    values = job["result"]["values"]
    assert values["estimate"] == "pretrained"
    assert len(values["interval_scale"]["factor"]) > 1
    assert "noise variance" in values["reason"]
    _check_trust(api, job)
    noise_model = api.get(f"/v1/noise-models/{values['noise_model_id']}").json()
    assert noise_model["origin"] == "bootstrap"
    observation = tifffile.imread(noisy_tiff).astype(np.float64)
    denoised = tifffile.imread(io.BytesIO(artifact(api, job, "noisy_denoised.tif")))
    assert denoised.mean() == pytest.approx(observation.mean(), rel=0.01)
    assert np.diff(denoised, axis=-1).std() < 0.5 * np.diff(observation, axis=-1).std()
    std = tifffile.imread(io.BytesIO(artifact(api, job, "noisy_posterior_std.tif")))
    assert (std > 0).all()


def _check_trust(api: httpx.Client, job: Document) -> None:
    """Check the sentence, the report behind it, and the preview of observation, result and difference."""
    result = job["result"]
    assert result["trust"] == result["values"]["trust"]
    assert result["trust"]["verdict"] == "trust"
    assert result["trust"]["sentence"].startswith("Trust this result: what was removed from")
    report = json.loads(artifact(api, job, "trust-report.json"))
    assert report["sentence"] == result["trust"]["sentence"]
    (channel,) = report["channels"]
    assert channel["choice"]["estimate"] == result["values"]["estimate"]
    assert channel["choice"]["estimated_mse_adu2"] == result["values"]["estimated_mse_adu2"]
    assert channel["noise_model"]["origin"] == "bootstrap"
    assert channel["noise_model_fit"]["verdict"] == "ok"
    assert channel["linearity"]["slope"] == pytest.approx(1, abs=0.1)
    assert sum(each["pixels"] for each in channel["removed_noise"]["by_signal"]) > 0
    assert {"noise_correlation", "worst_lost_detail", "worst_planes"} < channel["removed_noise"].keys()
    assert {"not_finite_px", "saturated_share"} < channel["pixels"].keys()
    assert channel["posterior_std"]["rms_adu"] > 0
    assert 0.85 < channel["posterior_std"]["calibration"]["measured_coverage"]["mean"] < 0.95
    preview = Image.open(io.BytesIO(artifact(api, job, "trust-preview.png")))
    assert preview.width > 2 * preview.height


def test_image_and_job_say_what_fine_structure_hides(api: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "texture.tif"
    tifffile.imwrite(path, observe(texture(300, 0.7, seed=4, size_px=256), seed=4))
    image_id = upload(api, path)
    job = run(api, kind="denoise", image_ids=[image_id], preset="instant", outputs=["denoised"])
    assert "interval_scale" not in job["result"]["values"]
    for warnings in (
        api.get(f"/v1/images/{image_id}").json()["warnings"],
        job["result"]["values"]["warnings"],
    ):
        said = [each for each in warnings if "it cannot be told whether" in each]
        assert len(said) == 1


def test_the_pretrained_network_is_named_in_jobs_of_its_own(api: httpx.Client, image_id: str) -> None:
    fitted = run(api, kind="bootstrap_noise_model", image_ids=[image_id], network="pretrained")
    noise_model_id = fitted["result"]["values"]["noise_model_id"]
    named = run(api, kind="predict", image_ids=[image_id], network="pretrained", noise_model=noise_model_id)
    alone = run(api, kind="predict", image_ids=[image_id], network="pretrained")
    assert named["result"]["values"]["estimate"] == alone["result"]["values"]["estimate"] == "pretrained"
    one, other = (artifact(api, job, "noisy_denoised.tif") for job in (named, alone))
    assert np.array_equal(tifffile.imread(io.BytesIO(one)), tifffile.imread(io.BytesIO(other)))


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("budget", {"budget": TINY}),
        ("structured_mask", {"structured_mask": {"x_px": 2}}),
        ("outputs", {"outputs": ["denoised", "mmse"]}),
    ],
)
def test_what_would_need_training_is_refused(
    api: httpx.Client, image_id: str, field: str, wrong: dict[str, object]
) -> None:
    refused = api.post(
        "/v1/jobs", json={"kind": "denoise", "image_ids": [image_id], "preset": "instant", **wrong}
    )
    assert refused.status_code == 422
    assert field in refused.text
    assert "instant" in refused.text


def test_it_is_no_preset_of_trainings(api: httpx.Client, image_id: str) -> None:
    refused = api.post(
        "/v1/jobs",
        json={"kind": "train", "method": "n2v", "image_ids": [image_id], "preset": "instant"},
    )
    assert refused.status_code == 422
    assert "fast, balanced, paper" in refused.text


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("refit_noise_model", {"refit_noise_model": True}), ("outputs", {"outputs": ["mmse"]})],
)
def test_what_only_pn2v_has_is_refused(
    api: httpx.Client, image_id: str, field: str, wrong: dict[str, object]
) -> None:
    refused = api.post(
        "/v1/jobs", json={"kind": "predict", "image_ids": [image_id], "network": "pretrained", **wrong}
    )
    assert refused.status_code == 422
    assert field in refused.text
