"""Histogram noise models over HTTP: published files in and out, jobs that make and use them."""

import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from models_store.noise_model_files.published import read_published
from tests.support.posted_jobs import TINY, Document, run, upload
from worker.engine.noise.models.histogram import HistogramNoiseModel

pytestmark = pytest.mark.usefixtures("worker")

INVALID = "urn:clearscope:problem:noise-model-invalid"


def npy(array: Any) -> bytes:  # anything that NumPy can save
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def layers(bins: int = 8, **changes: Any) -> np.ndarray:
    """Return a histogram in the published layout, with every signal observed in its own bin."""
    edges = np.linspace(100, 900, bins + 1)
    shape = (bins, bins)
    made = {
        "probabilities": np.eye(bins),
        "lower": np.broadcast_to(edges[:-1, None], shape),
        "upper": np.broadcast_to(edges[1:, None], shape),
    }
    return np.stack(list((made | changes).values()))


def import_file(api: httpx.Client, content: bytes, **query: str) -> httpx.Response:
    return api.post("/v1/noise-models/import", params=query, content=content)


def exported(api: httpx.Client, noise_model_id: str) -> HistogramNoiseModel:
    response = api.get(f"/v1/noise-models/{noise_model_id}/export")
    assert response.headers["content-disposition"] == f'attachment; filename="{noise_model_id}.npy"'
    return HistogramNoiseModel.from_parameters(read_published(response.content).plain())


def test_a_published_histogram_is_imported_and_exported_with_its_likelihoods(
    api: httpx.Client, golden: Path
) -> None:
    content = (golden / "ppn2v_histogram_256.npy").read_bytes()
    response = import_file(api, content)
    assert response.status_code == 201, response.text
    document = response.json()
    assert (document["kind"], document["parameters"]["bins"]) == ("histogram", 256)
    assert "probabilities" not in document["parameters"]
    expected = np.load(golden / "ppn2v_histogram_256_likelihood.npz")
    model = exported(api, document["id"]).to("cpu", torch.float32)
    observation, signal = (torch.from_numpy(expected[name]) for name in ("observation", "signal"))
    likelihood = model.log_likelihood(observation, signal).exp() * model.bin_width_adu
    np.testing.assert_allclose(likelihood.numpy(), expected["likelihood"], rtol=1e-4, atol=1e-12)
    again = np.load(io.BytesIO(api.get(f"/v1/noise-models/{document['id']}/export").content))
    np.testing.assert_allclose(again, np.load(io.BytesIO(content)), rtol=1e-6, atol=1e-12)


def test_lists_do_not_contain_probabilities(api: httpx.Client) -> None:
    assert import_file(api, npy(layers(bins=1024))).status_code == 201
    response = api.get("/v1/noise-models", params={"limit": 1})
    assert response.json()[0]["parameters"]["bins"] == 1024
    assert len(response.content) < 2000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x93NUMPY", "not a NumPy array"),
        (npy(layers())[:-100], "not a complete array"),
        (npy(layers()) + b"more", "not a NumPy array"),
        (npy(layers()) + npy(np.zeros(3)), "expected (2,)"),
        (npy(layers()) + npy(np.array([0.0, 2.0])), "less than 1"),
        (npy(np.zeros((2, 8, 8))), "expected (3, B, B)"),
        (npy(np.zeros((3, 8, 9))), "expected (3, B, B)"),
        (npy(np.zeros((3, 0, 0))), "no bins"),
        (npy(layers(bins=1)), "greater than or equal to 2"),
        (npy(np.zeros((3, 1100, 1100), np.float32)), "even bins"),
        (npy(np.zeros((3, 1200, 1200))), "more than"),
        (npy(layers(probabilities=np.full((8, 8), np.nan))), "not finite"),
        (npy(layers(probabilities=-np.eye(8))), "between 0 and 1"),
        (npy(layers(probabilities=np.full((8, 8), 0.5))), "sum to 1"),
        (npy(layers(probabilities=np.zeros((8, 8)))), "every row is empty"),
        (npy(layers(upper=np.full((8, 8), 100.0))), "even bins"),
        (npy(layers()[:, ::-1]), "rising from row to row"),
        (npy(layers().swapaxes(1, 2)), "rising from row to row"),
        (npy(layers().astype(complex)), "array of numbers"),
        (npy(np.array([{}] * 3)), "array of numbers"),
    ],
    ids=range(20),
)
def test_a_file_that_is_no_histogram_is_refused_and_says_why(
    api: httpx.Client, content: bytes, reason: str
) -> None:
    response = import_file(api, content)
    assert (response.status_code, response.json()["type"]) == (422, INVALID)
    assert reason in response.json()["detail"]


def test_a_histogram_is_bootstrapped_refitted_and_reused(api: httpx.Client, noisy_tiff: Path) -> None:
    api.post("/v1/microscopes", json={"name": "counted"})
    image_id = upload(api, noisy_tiff, microscope="counted")
    spec = {"kind": "denoise", "image_ids": [image_id], "budget": TINY}
    job = run(api, **spec, noise_model_kind="histogram")
    made: list[Document] = api.get("/v1/noise-models", params={"microscope": "counted"}).json()
    # Counted with N2V's predictions, and again with PN2V's.
    assert [(each["kind"], each["origin"]) for each in made] == [("histogram", "bootstrap")] * 2
    newest = made[0]
    assert newest["id"] == job["result"]["values"]["noise_model_id"]
    assert "histogram of" in newest["fit_quality"]["selected"]
    variance = exported(api, newest["id"]).variance_adu2(torch.tensor(160.0, dtype=torch.float64))
    # 2 ADU per photon above an offset of 100, read noise 2 ADU; a tiny network adds its own error.
    assert 60 < float(variance) < 2000

    def noise_model_step(**more: Any) -> Document:
        response = api.post("/v1/jobs/preflight", json=spec | more)
        assert response.is_success, response.text
        plan = response.json()["plan"]
        return next(step for step in plan if step["stage"] == "noise_model")

    active = noise_model_step(reuse="noise_model")["id"]
    assert active in {each["id"] for each in made}
    assert noise_model_step(reuse="noise_model", noise_model_kind="histogram")["id"] == active
    assert noise_model_step(reuse="noise_model", noise_model_kind="gmm")["action"] == "compute"
    assert noise_model_step(reuse="network", noise_model_kind="histogram")["id"] == active
    named = {"noise_model": newest["id"], "noise_model_kind": "gmm"}
    response = api.post("/v1/jobs/preflight", json=spec | named)
    assert response.status_code == 422
    assert "is of kind histogram" in response.json()["detail"]
