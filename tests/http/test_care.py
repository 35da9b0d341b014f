"""CARE over HTTP: supervised training on noisy and clean images, and prediction without a noise model."""

import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.posted_jobs import LONG, TINY, Document, artifact, post, run, upload
from tests.support.result_files import files_of_images

pytestmark = pytest.mark.usefixtures("worker")

GAIN, OFFSET = 2.0, 100.0
NOISE_STD = 8.0


def clean_yx(height: int = 64, width: int = 48) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 8.0
    return np.asarray(200 + 60 * np.sin(y) * np.cos(x), dtype=np.float32)


def noisy_stack(planes: int, seed: int) -> np.ndarray:
    """Return observations (T, Y, X) of one field."""
    noise = np.random.default_rng(seed).normal(0, NOISE_STD, (planes, *clean_yx().shape))
    return np.asarray(np.rint(clean_yx() + noise), dtype=np.uint16)


def write(path: Path, planes: np.ndarray) -> Path:
    tifffile.imwrite(path, planes, photometric="minisblack")
    return path


@pytest.fixture(scope="module")
def pair(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Image ids of a noisy stack of three planes and of the clean plane that belongs to all of them."""
    folder = tmp_path_factory.mktemp("pair")
    noisy_id = upload(api, write(folder / "noisy.tif", noisy_stack(3, seed=1)))
    # On another scale, as is common for references.
    truth_yx = (clean_yx() - OFFSET) / GAIN
    return noisy_id, upload(api, write(folder / "clean.tif", truth_yx), role="ground_truth")


@pytest.fixture(scope="module")
def training(api: httpx.Client, pair: tuple[str, str]) -> Document:
    noisy_id, clean_id = pair
    return run(
        api,
        kind="train",
        method="care",
        image_ids=[noisy_id],
        ground_truth_ids=[clean_id],
        budget={**TINY, "steps": 100},
    )


def test_care_learns_from_clean_images(api: httpx.Client, pair: tuple[str, str], training: Document) -> None:
    noisy_id, _ = pair
    network = api.get(f"/v1/networks/{training['result']['values']['network_id']}").json()
    assert (network["method"], network["noise_model_id"]) == ("care", None)
    assert [each["id"] for each in api.get("/v1/networks", params={"method": "care"}).json()] == [
        network["id"]
    ]

    predicted = run(api, kind="predict", image_ids=[noisy_id], network=network["id"])
    assert predicted["result"]["values"]["estimate"] == "care"
    # Nothing tells whether the brightness of a result is right that is on the scale of its ground truth.
    assert predicted["result"]["trust"]["verdict"] != "trust"
    assert [each["name"] for each in files_of_images(predicted)] == ["noisy_denoised.tif"]
    denoised_tyx = tifffile.imread(io.BytesIO(artifact(api, predicted, "noisy_denoised.tif")))
    assert denoised_tyx.shape == (3, 64, 48)
    residual = GAIN * denoised_tyx + OFFSET - clean_yx()
    assert residual.std() < 0.6 * NOISE_STD


def test_images_cannot_be_deleted_during_their_training(api: httpx.Client, tmp_path: Path) -> None:
    noisy_id = upload(api, write(tmp_path / "held.tif", noisy_stack(1, seed=2)[0]))
    clean_id = upload(api, write(tmp_path / "clean.tif", clean_yx()), role="ground_truth")
    spec = {"kind": "train", "method": "care", "image_ids": [noisy_id], "ground_truth_ids": [clean_id]}
    job = post(api, **spec, budget=LONG)
    refused = api.delete(f"/v1/images/{clean_id}")
    assert refused.status_code == 409
    assert job["id"] in refused.json()["detail"]
    api.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()
    assert api.delete(f"/v1/images/{clean_id}").status_code == 204


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"ground_truth_ids": None}, 422, "ground_truth_ids: CARE learns"),
        ({"ground_truth_ids": []}, 422, "ground_truth_ids"),
        ({"ground_truth_ids": ["img_none"]}, 404, "img_none"),
        ({"ground_truth_ids": ["{clean}", "{clean}"]}, 422, "2 for 1 images"),
        ({"ground_truth_ids": ["{noisy}"]}, 422, "role=ground_truth"),
        ({"image_ids": ["{clean}"]}, 422, "role=data"),
        ({"ground_truth_ids": ["{narrow}"]}, 422, "40 x 64"),
        ({"ground_truth_ids": ["{two_planes}"]}, 422, "3 planes"),
        ({"method": "n2v"}, 422, "N2V learns from noisy images alone"),
        ({"noise_model": "nm_none"}, 404, "nm_none"),
    ],
)
def test_images_that_are_no_pair_are_refused(
    api: httpx.Client,
    pair: tuple[str, str],
    tmp_path: Path,
    change: dict[str, Any],
    status: int,
    words: str,
) -> None:
    ids = {"{noisy}": pair[0], "{clean}": pair[1]}
    for name, planes in {"narrow": clean_yx()[:, :40], "two_planes": np.stack([clean_yx()] * 2)}.items():
        if f"{{{name}}}" in str(change):
            ids[f"{{{name}}}"] = upload(api, write(tmp_path / "other.tif", planes), role="ground_truth")
    spec = {
        "kind": "train",
        "method": "care",
        "image_ids": ["{noisy}"],
        "ground_truth_ids": ["{clean}"],
        **change,
    }
    for field in ("image_ids", "ground_truth_ids"):
        if spec[field]:
            spec[field] = [ids.get(each, each) for each in spec[field]]
    refused = api.post("/v1/jobs", json=spec)
    assert refused.status_code == status
    assert words in refused.json()["detail"]


def test_a_care_network_gives_no_pseudo_ground_truth(
    api: httpx.Client, pair: tuple[str, str], training: Document
) -> None:
    noisy_id, _ = pair
    stored = training["result"]["values"]["network_id"]
    for network in (stored, {"job": training["id"]}):
        for kind, field in [("bootstrap_noise_model", "network"), ("predict", "compare_with")]:
            networks = {"network": stored, field: network}
            refused = api.post("/v1/jobs", json={"kind": kind, "image_ids": [noisy_id], **networks})
            assert refused.status_code == 422
            assert refused.json()["detail"].startswith(f"{field}: a CARE network")
