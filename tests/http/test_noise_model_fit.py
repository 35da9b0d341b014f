"""Noise models that do not explain the images of a job: refused, replaced or forced, and told."""

import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from tests.support.application import MakeApplication
from tests.support.microscope_files import ome_document, ome_image, write_pages
from tests.support.posted_jobs import post, run, upload, wait_for_success
from tests.support.published_files import npz
from worker.engine.simulation import simulate_specimen

pytestmark = pytest.mark.usefixtures("worker")

_OFFSET_ADU, _GAIN_ADU, _READ_NOISE_ADU = 100.0, 2.0, 3.0
_RANGE_ADU = (_OFFSET_ADU, 700.0)


def _observed() -> NDArray[np.uint16]:
    """Return an image (Y, X) of about 100 photons."""
    rng = np.random.default_rng(5)
    photons_yx = 10 + 200 * simulate_specimen((256, 256), seed=6)
    noisy_yx = _OFFSET_ADU + _GAIN_ADU * rng.poisson(photons_yx)
    noisy_yx = noisy_yx + rng.normal(0, _READ_NOISE_ADU, photons_yx.shape)
    return noisy_yx.round().clip(0).astype(np.uint16)


@pytest.fixture(scope="module")
def image_id(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of the microscope Judged."""
    path = tmp_path_factory.mktemp("judged") / "judged.tif"
    tifffile.imwrite(path, _observed())
    api.post("/v1/microscopes", json={"name": "Judged"}).raise_for_status()
    return upload(api, path, microscope="Judged")


def _import(
    api: httpx.Client, gain_adu: float, range_adu: tuple[float, float] = _RANGE_ADU, **place: str
) -> str:
    """Import a noise model of a detector with this gain, and activate it for the microscope or profile."""
    low_adu, high_adu = range_adu
    variances_adu2 = [_READ_NOISE_ADU**2, gain_adu * (high_adu - low_adu)]
    weights = [[0.0, 0.0], np.log(variances_adu2).tolist(), [0.0, 0.0]]
    content = npz(
        trained_weight=np.array(weights, np.float32),
        min_signal=np.array([low_adu]),
        max_signal=np.array([high_adu]),
        min_sigma=np.array(1.0),
    )
    answer = api.post("/v1/noise-models/import", params={"microscope": "Judged"} | place, content=content)
    answer.raise_for_status()
    imported: str = answer.json()["id"]
    return imported


def _noise_model_step(api: httpx.Client, **spec: Any) -> tuple[dict[str, Any], list[str]]:
    answer = api.post("/v1/jobs/preflight", json={"kind": "denoise", "preset": "instant", **spec})
    answer.raise_for_status()
    (step,) = (step for step in answer.json()["plan"] if step["stage"] == "noise_model")
    return step, answer.json()["warnings"]


def test_a_noise_model_that_explains_the_image_is_used(api: httpx.Client, image_id: str) -> None:
    fitting = _import(api, _GAIN_ADU)
    step, warnings = _noise_model_step(api, image_ids=[image_id])
    assert (step["action"], step["id"], step["fit"]["verdict"]) == ("reuse", fitting, "ok")
    assert step["fit"]["variance_ratio"] == pytest.approx(1, abs=0.08)
    assert not [each for each in warnings if fitting in each]


def test_an_active_noise_model_of_another_gain_is_replaced_by_a_bootstrapped_one(
    api: httpx.Client, image_id: str
) -> None:
    other = _import(api, 4 * _GAIN_ADU)
    step, warnings = _noise_model_step(api, image_ids=[image_id])
    assert (step["action"], step["fit"]["verdict"]) == ("compute", "refuse")
    assert f"the noise model {other} does not explain the noise of the images" in step["why"]
    assert step["fit"]["told"] in warnings
    job = run(api, kind="denoise", preset="instant", image_ids=[image_id])
    assert job["result"]["values"]["noise_model_id"] != other


@pytest.mark.parametrize("kind", [{"kind": "denoise", "preset": "instant"}, {"kind": "predict"}])
def test_a_named_noise_model_of_another_gain_has_to_be_forced(
    api: httpx.Client, image_id: str, kind: dict[str, Any]
) -> None:
    other = _import(api, 4 * _GAIN_ADU)
    network = {"network": "pretrained"} if kind["kind"] == "predict" else {}
    spec = {**kind, **network, "image_ids": [image_id], "noise_model": other}
    answer = api.post("/v1/jobs", json=spec)
    assert answer.status_code == 422
    told = answer.json()["detail"]
    assert told.startswith(f"noise_model: the noise model {other} does not explain the noise")
    assert "set force" in told
    assert [each["where"] for each in answer.json()["errors"]] == ["noise_model", "force"]
    assert "force" not in answer.json()["errors"][0]["what"]
    job = run(api, **spec, force=True)
    assert job["spec"]["force"] is True
    assert any(f"{other} does not explain" in each for each in job["result"]["values"]["warnings"])


def test_a_gain_that_is_a_little_off_and_a_range_that_is_a_little_short_warn(
    api: httpx.Client, image_id: str
) -> None:
    for changes, expected in (
        ({"gain_adu": 1.35 * _GAIN_ADU}, "does not explain the noise"),
        ({"gain_adu": _GAIN_ADU, "range_adu": (_OFFSET_ADU, 125.0)}, "of the pixels lie beyond them"),
    ):
        model = _import(api, **changes)
        step, warnings = _noise_model_step(api, image_ids=[image_id])
        assert (step["id"], step["fit"]["verdict"]) == (model, "warning")
        assert any(expected in each for each in warnings)


@pytest.mark.usefixtures("image_id")
def test_an_image_of_another_bit_depth_than_its_profile_warns_or_is_refused(
    api: httpx.Client, tmp_path: Path
) -> None:
    """The file tells 12 bit, the upload names a profile of 16."""
    posted = {"name": "deep", "camera": "Flash", "bit_depth": 16}
    api.post("/v1/microscopes/Judged/profiles", json=posted).raise_for_status()
    content = '<Channel ID="Channel:0:0"/><TiffData/>'
    xml = ome_document(ome_image(0, {}, content, SignificantBits="12"))
    xml = xml.replace('"40"', '"256"').replace('"32"', '"256"')
    path = write_pages(tmp_path / "shallow.ome.tif", [_observed()], xml)
    shallow = upload(api, path, microscope="Judged", profile="deep")
    for gain_adu, verdict in ((_GAIN_ADU, "warning"), (1.35 * _GAIN_ADU, "refuse")):
        model = _import(api, gain_adu, profile="deep")
        step, warnings = _noise_model_step(api, image_ids=[shallow])
        assert step["fit"]["verdict"] == verdict
        assert step["fit"]["told"].endswith("is for images of 16 bit, not of 12 bit")
        assert step["fit"]["told"] in warnings
        assert (step["id"] == model) == (verdict == "warning")


def test_a_histogram_is_judged_by_its_rows(api: httpx.Client, image_id: str) -> None:
    """One row per signal, with the variance of the detector."""
    bins, (low_adu, high_adu) = 256, _RANGE_ADU
    edges = np.linspace(low_adu, high_adu, bins + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    for factor, verdict in ((1.0, "ok"), (4.0, "refuse")):
        variance = factor * (_READ_NOISE_ADU**2 + _GAIN_ADU * (centres - _OFFSET_ADU).clip(0))
        rows = np.exp(-((centres[None] - centres[:, None]) ** 2) / (2 * variance[:, None]))
        rows /= rows.sum(axis=1, keepdims=True)
        lower, upper = (np.broadcast_to(of[:, None], rows.shape) for of in (edges[:-1], edges[1:]))
        content = io.BytesIO()
        np.save(content, np.stack([rows, lower, upper]))
        api.post(
            "/v1/noise-models/import", params={"microscope": "Judged"}, content=content.getvalue()
        ).raise_for_status()
        step, _ = _noise_model_step(api, image_ids=[image_id])
        assert step["fit"]["verdict"] == verdict


def test_a_job_tells_that_its_noise_model_was_retired_while_it_waited(
    make_application: MakeApplication, tmp_path: Path
) -> None:
    application = make_application()
    with application.client() as api:
        path = tmp_path / "judged.tif"
        tifffile.imwrite(path, _observed())
        api.post("/v1/microscopes", json={"name": "Judged"}).raise_for_status()
        model = _import(api, _GAIN_ADU)
        image_id = upload(api, path, microscope="Judged")
        job = post(api, kind="denoise", preset="instant", image_ids=[image_id])
        assert model in {step.get("id") for step in job["plan"]}
        answer = api.post(f"/v1/noise-models/{model}/retire", json={"reason": "lamp of May"})
        retired_at = answer.raise_for_status().json()["retired"]["at"]
        with application.worker():
            done = wait_for_success(api, job["id"])
    (told,) = (each for each in done["result"]["values"]["warnings"] if "retired" in each)
    assert told.startswith(f"the noise model {model} has been retired at {retired_at[:19]}")
    assert ": lamp of May; this job was planned to use it all the same" in told
