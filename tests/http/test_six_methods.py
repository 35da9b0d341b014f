"""All six methods of the paper as jobs over HTTP, on the same images, scored side by side."""

import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.posted_jobs import Document, artifact, ended, post, upload, wait_until

pytestmark = pytest.mark.usefixtures("worker")

GAIN_ADU, OFFSET_ADU, READ_NOISE_ADU = 4.0, 100.0, 3.0
FIRST_BUDGET = {"steps": 60, "features": 8, "samples": 16}
# PN2V starts from the N2V network.
NEXT_BUDGET = {**FIRST_BUDGET, "steps": 15}
MICROSCOPE = "six methods"


def observe(photons: np.ndarray, seed: int) -> np.ndarray:
    """Return an image from the camera that is to be calibrated."""
    rng = np.random.default_rng(seed)
    observed = OFFSET_ADU + GAIN_ADU * rng.poisson(photons) + rng.normal(0, READ_NOISE_ADU, photons.shape)
    return np.asarray(np.rint(observed), dtype=np.uint16)


def specimen(phase: float) -> np.ndarray:
    y, x = np.mgrid[:64, :56] / 7.0
    return np.asarray(35 + 30 * np.sin(y + phase) * np.cos(x))


def put(api: httpx.Client, path: Path, planes: np.ndarray, role: str) -> str:
    tifffile.imwrite(path, planes, photometric="minisblack")
    return upload(api, path, role=role, microscope=MICROSCOPE)


@pytest.mark.slow
def test_six_methods_are_jobs_and_scored_side_by_side(api: httpx.Client, tmp_path: Path) -> None:
    api.post("/v1/microscopes", json={"name": MICROSCOPE}).raise_for_status()
    photons = [specimen(phase) for phase in (0.0, 2.0)]
    noisy_ids = [
        put(api, tmp_path / f"cells_{field}.tif", observe(each, field), "data")
        for field, each in enumerate(photons)
    ]
    truth_ids = [
        put(
            api,
            tmp_path / f"truth_{field}.tif",
            np.asarray(OFFSET_ADU + GAIN_ADU * each, dtype=np.float32),
            "ground_truth",
        )
        for field, each in enumerate(photons)
    ]
    ramp = np.broadcast_to(np.linspace(1, 80, 64)[:, None], (64, 56))
    frames = np.stack([observe(ramp, 100 + number) for number in range(24)])
    calibration_id = put(api, tmp_path / "calibration.tif", frames, "calibration")

    def submit(kind: str, **spec: Any) -> Document:
        """Post a job; it waits for the jobs that it refers to."""
        job = post(api, kind=kind, **spec)
        return {"job": job["id"]}

    def predict(network: Document, **spec: Any) -> Document:
        return submit("predict", image_ids=noisy_ids, network=network, **spec)

    def pn2v(noise_model: Document) -> Document:
        network = submit(
            "train",
            image_ids=noisy_ids,
            method="pn2v",
            noise_model=noise_model,
            start=n2v,
            budget=NEXT_BUDGET,
        )
        # The paper's PN2V is the MMSE estimate.
        made = predict(network, noise_model=noise_model, outputs=["denoised", "mmse"])
        return {**made, "output": "mmse"}

    n2v = submit("train", image_ids=noisy_ids, method="n2v", budget=FIRST_BUDGET)
    care = submit(
        "train", image_ids=noisy_ids, ground_truth_ids=truth_ids, method="care", budget=FIRST_BUDGET
    )
    calibrated = {
        kind: submit(
            "fit_noise_model", image_ids=[calibration_id], data_image_ids=noisy_ids, noise_model_kind=kind
        )
        for kind in ("histogram", "gmm")
    }
    bootstrapped = {
        kind: submit("bootstrap_noise_model", image_ids=noisy_ids, network=n2v, noise_model_kind=kind)
        for kind in ("histogram", "gmm")
    }
    methods = {
        "noisy": {"image_ids": noisy_ids},
        "CARE": predict(care),
        "N2V": predict(n2v),
        "PN2V": pn2v(calibrated["histogram"]),
        "PN2V GMM": pn2v(calibrated["gmm"]),
        "Boot. Hist.": pn2v(bootstrapped["histogram"]),
        "Boot. GMM": pn2v(bootstrapped["gmm"]),
    }
    evaluation = post(
        api,
        kind="evaluate",
        ground_truth_ids=truth_ids,
        candidates=[{"name": name, "runs": [run]} for name, run in methods.items()],
    )
    for needed in [*(run["job"] for run in methods.values() if "job" in run), evaluation["id"]]:
        job = wait_until(api, needed, ended)
        assert job["state"] == "succeeded", job["error"]

    scores = {row["name"]: row for row in job["result"]["values"]["scores"]}
    assert list(scores) == list(methods)
    gains_db = {
        name: row["psnr_db"]["mean"] - scores["noisy"]["psnr_db"]["mean"] for name, row in scores.items()
    }
    assert min(gains_db[name] for name in methods if name != "noisy") > 3, gains_db
    assert all(row["planes"] == 2 and 0 < row["ssim"]["mean"] < 1 for row in scores.values())
    table = artifact(api, job, "scores.md").decode()
    assert all(f"| {name} " in table for name in methods)

    made = {
        (origin, kind): noise_model_of(api, fit)
        for origin, fits in (("calibration", calibrated), ("bootstrap", bootstrapped))
        for kind, fit in fits.items()
    }
    assert {(model["origin"], model["kind"]): model["id"] for model in made.values()} == {
        key: model["id"] for key, model in made.items()
    }
    boot_gmm = api.get(f"/v1/jobs/{methods['Boot. GMM']['job']}").json()
    denoised_yx = tifffile.imread(io.BytesIO(artifact(api, boot_gmm, "cells_0_mmse.tif")))
    assert denoised_yx.shape == photons[0].shape


def noise_model_of(api: httpx.Client, fit: Document) -> Document:
    values = api.get(f"/v1/jobs/{fit['job']}").json()["result"]["values"]
    model: Document = api.get(f"/v1/noise-models/{values['noise_model_id']}").json()
    return model
