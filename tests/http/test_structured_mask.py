"""Correlated noise over HTTP: a warning, and the structured mask that it recommends."""

from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.posted_jobs import TINY, Document, events, run, upload

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture(scope="module")
def correlated_tiff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Image of soft blobs with noise that correlates by 0.4 along x."""
    y, x = np.mgrid[:96, :80] / 12.0
    white = np.random.default_rng(5).normal(0, 20, (96, 81))
    observation_yx = 1000 + 200 * np.sin(y) * np.cos(x) + white[:, 1:] + 0.5 * white[:, :-1]
    path = tmp_path_factory.mktemp("images") / "correlated.tif"
    tifffile.imwrite(path, np.rint(observation_yx).astype(np.uint16))
    return path


def warned(api: httpx.Client, job: Document) -> list[str]:
    """Return the warnings of a job."""
    return [event["detail"]["detail"] for event in events(api, job["id"]) if event["kind"] == "warning"]


def test_a_job_warns_of_correlated_noise_and_recommends_a_mask(
    api: httpx.Client, correlated_tiff: Path
) -> None:
    image_id = upload(api, correlated_tiff)
    job = run(api, kind="denoise", image_ids=[image_id], budget=TINY)
    (warning,) = job["result"]["values"]["warnings"]
    measured = job["result"]["values"]["noise_correlation"]
    assert measured["x"] == pytest.approx(0.4, abs=0.06)
    assert measured["y"] == pytest.approx(0.0, abs=0.06)
    assert f"along x ({measured['x']:+.2f})" in warning
    assert "structured mask along x" in warning
    assert warned(api, job) == [warning], "once, although every network would be trained on that noise"
    # A noise model cannot reproduce correlated noise, so nothing is distilled.
    assert "distilled_network_id" not in job["result"]["values"]
    assert "distilled" not in job["result"]["values"]["estimated_mse_adu2"]


def test_with_a_structured_mask_there_is_no_warning(api: httpx.Client, correlated_tiff: Path) -> None:
    spec = {"kind": "train", "method": "n2v", "image_ids": [upload(api, correlated_tiff)], "budget": TINY}
    plain = run(api, **spec)
    masked = run(api, **spec, structured_mask={"x_px": 2})
    assert plain["result"]["values"]["warnings"]
    assert masked["result"]["values"]["warnings"] == []
    assert warned(api, masked) == []
    networks = [
        api.get(f"/v1/networks/{job['result']['values']['network_id']}").json() for job in (plain, masked)
    ]
    assert networks[0]["sha256"] != networks[1]["sha256"]
    assert networks[1]["recipe"] == f"{networks[0]['recipe']} mask=0x2"


def test_an_image_with_independent_noise_gives_no_warning(api: httpx.Client, noisy_tiff: Path) -> None:
    spec = {"kind": "train", "method": "n2v", "image_ids": [upload(api, noisy_tiff)], "budget": TINY}
    job = run(api, **spec)
    assert job["result"]["values"]["warnings"] == []


@pytest.mark.parametrize("mask", [{"x_px": 9}, {"y_px": -1}, {"z_px": 1}, [1, 2], {"x_px": 1.5}])
def test_an_impossible_mask_is_refused(api: httpx.Client, noisy_tiff: Path, mask: object) -> None:
    spec = {"kind": "denoise", "image_ids": [upload(api, noisy_tiff)], "structured_mask": mask}
    response = api.post("/v1/jobs/preflight", json=spec)
    assert response.status_code == 422
    assert "structured_mask" in response.text
