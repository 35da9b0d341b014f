"""`clearscope check-noise-model`, `clearscope pool-noise-model` and `--settings`."""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.commands import clearscope
from tests.support.posted_jobs import run, upload
from tests.support.server_process import ServerProcess
from tests.support.textures import texture


def _stack(path: Path, gain_adu: float, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    photons = np.tile(np.linspace(2, 300, 96), (96, 1))
    frames = 100 + gain_adu * rng.poisson(photons, (20, 96, 96)) + rng.normal(0, 3, (20, 96, 96))
    tifffile.imwrite(path, np.rint(frames).astype(np.uint16), photometric="minisblack")
    return path


def test_a_camera_is_calibrated_with_its_settings_and_its_drift_is_found(
    server: ServerProcess, api: httpx.Client, tmp_path: Path
) -> None:
    place = ["--microscope", "Watched", "--server", server.url]
    told = json.dumps({"camera": "Flash", "gain": 2})
    clearscope("calibrate", _stack(tmp_path / "a.tif", 2.0, 1), *place, "--settings", told)
    (noise_model,) = api.get("/v1/noise-models", params={"microscope": "Watched"}).json()
    profile = noise_model["belongs_to"]["profile"]
    assert profile.startswith("Flash, gain 2 (")
    checked = clearscope(
        "check-noise-model", _stack(tmp_path / "b.tif", 2.2, 2), *place, "--profile", profile
    )
    assert noise_model["id"] in checked
    assert "drifted" in checked
    assert "overall system gain (K)" in checked
    assert api.get(f"/v1/noise-models/{noise_model['id']}").json()["drift"] is not None


@pytest.mark.parametrize("wrong", ["gain=2", "[1]"])
def test_settings_that_are_no_json_are_refused_with_an_example(
    server: ServerProcess, noisy_tiff: Path, wrong: str
) -> None:
    options = ["--microscope", "Watched", "--server", server.url, "--settings", wrong]
    refused = clearscope("submit", noisy_tiff, *options, code=1)
    assert "--settings" in refused
    assert '{"camera": "Flash", "gain": 2}' in refused


@pytest.mark.slow
def test_images_are_pooled_once_there_are_enough(
    server: ServerProcess, api: httpx.Client, tmp_path: Path
) -> None:
    api.post("/v1/microscopes", json={"name": "Pooling"}).raise_for_status()
    place = ["--microscope", "Pooling", "--server", server.url]
    for seed in range(4):
        if seed == 1:
            refused = clearscope("pool-noise-model", *place, code=1)
            assert "pixel pairs of at least 4 images" in refused
        photons_yx = texture(60, 6.0, seed=seed, size_px=128)
        noisy_yx = 100 + 2 * np.random.default_rng(seed).poisson(photons_yx)
        tifffile.imwrite(tmp_path / "image.tif", noisy_yx.astype(np.uint16))
        image_id = upload(api, tmp_path / "image.tif", microscope="Pooling")
        run(api, kind="bootstrap_noise_model", image_ids=[image_id], network="pretrained")
    pooled = clearscope("pool-noise-model", *place, "--profile", "default")
    (newest, *_) = api.get("/v1/noise-models", params={"microscope": "Pooling"}).json()
    assert (newest["origin"], newest["active"]) == ("pooled", True)
    assert newest["id"] in pooled
    assert "not active" not in pooled
