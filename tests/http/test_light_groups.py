"""Jobs on images of several exposures: each exposure has networks of its own."""

import io
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from app.commands.result_lines import result_lines
from clearscope_client import Job, NoiseModel
from tests.support.posted_jobs import TINY, Document, artifact, post, run, upload
from tests.support.result_files import files_of_images

PHOTONS = {"dim": 5, "dim_too": 5, "bright": 60}


def exposure(photons: float, seed: int) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[:96, :96] / 9
    rng = np.random.default_rng(seed)
    counts = rng.poisson(photons * (2 + np.sin(y) * np.cos(x)))
    return np.asarray(100 + 2 * counts + rng.normal(0, 1, counts.shape)).round().astype(np.uint16)


@pytest.fixture(scope="module")
def uploaded(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("exposures")
    found = {}
    for seed, (name, photons) in enumerate(PHOTONS.items()):
        tifffile.imwrite(folder / f"{name}.tif", exposure(photons, seed))
        found[name] = upload(api, folder / f"{name}.tif")
    return found


def planned(api: httpx.Client, **fields: Any) -> list[list[str] | None]:
    """Return the images of each prediction that a job would make; None: those of all images."""
    spec = {"kind": "denoise", **fields}
    plan = api.post("/v1/jobs/preflight", json=spec).raise_for_status().json()["plan"]
    return [step["image_ids"] for step in plan if step["stage"] == "predict"]


def test_each_exposure_is_planned_on_its_own(api: httpx.Client, uploaded: dict[str, str]) -> None:
    dim, dim_too, bright = uploaded.values()
    image_ids = [dim, bright, dim_too]
    for fields in ({}, {"preset": "fast"}, {"prior": "none"}):
        assert planned(api, image_ids=image_ids, **fields) == [[dim, dim_too], [bright]]
    for fields in ({"preset": "instant"}, {"preset": "paper"}):
        assert planned(api, image_ids=image_ids, **fields) == [None]
    assert planned(api, image_ids=[dim, dim_too]) == [None]
    job = post(api, kind="train", method="n2v", image_ids=image_ids)
    assert api.post(f"/v1/jobs/{job['id']}/cancel").is_success


def test_images_of_one_name_stay_together(
    api: httpx.Client, uploaded: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "dim.tif"
    tifffile.imwrite(path, exposure(PHOTONS["bright"], 9))
    assert planned(api, image_ids=[uploaded["dim"], upload(api, path)]) == [None]


@pytest.mark.usefixtures("worker")
def test_results_of_each_exposure_are_those_of_a_job_of_its_own(
    api: httpx.Client, uploaded: dict[str, str]
) -> None:
    fields = {"kind": "denoise", "preset": "fast", "budget": TINY, "reuse": "none", "outputs": ["denoised"]}
    dim, bright = uploaded["dim"], uploaded["bright"]
    together = run(api, **fields, image_ids=[dim, bright])
    alone = run(api, **fields, image_ids=[dim])
    pixels, expected = (_denoised(api, job, "dim") for job in (together, alone))
    assert np.array_equal(pixels, expected)
    groups = together["result"]["values"]["groups"]
    assert [group["image_ids"] for group in groups] == [[dim], [bright]]
    assert len({group["noise_model_id"] for group in groups}) == 2
    assert {each["image_id"] for each in files_of_images(together)} == {dim, bright}

    def noise_model(noise_model_id: str) -> NoiseModel:
        return NoiseModel.model_validate(api.get(f"/v1/noise-models/{noise_model_id}").json())

    lines = [text for title, text in result_lines(Job.model_validate(together), noise_model)]
    assert [any(text.startswith(f"{each}: ") for text in lines) for each in (dim, bright)] == [True, True]
    page = api.get(f"/results/{together['id']}").text
    for name in ("<h3>dim.tif</h3>", "<h3>bright.tif</h3>"):
        assert name in page


def _denoised(api: httpx.Client, job: Document, name: str) -> np.ndarray[Any, Any]:
    return np.asarray(tifffile.imread(io.BytesIO(artifact(api, job, f"{name}_denoised.tif"))))
