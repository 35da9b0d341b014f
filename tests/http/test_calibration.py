"""Calibrations over HTTP: uploaded, checked, fitted, and used by the next job of their microscope."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray

from models_store.contracts.noise_models import digest_of_parameters, noise_model_parameters
from tests.support.posted_jobs import TINY, Document, ended, events, post, run, upload, wait_until
from worker.engine.noise.models.kinds import noise_model_from_parameters
from worker.engine.simulation import Scmos

pytestmark = pytest.mark.usefixtures("worker")

SHAPE_YX = (96, 80)
GAIN, OFFSET_ADU, READ_NOISE_ADU = 2.0, 100.0, 2.0
CAMERA = Scmos(np.full(SHAPE_YX, GAIN), np.full(SHAPE_YX, OFFSET_ADU), np.full(SHAPE_YX, READ_NOISE_ADU))
Scene = Callable[[int], NDArray[np.float64]]


def defocused(brightest: float = 80) -> NDArray[np.float64]:
    """Return photons of a scene without structure that spans the range of intensities."""
    return np.asarray(np.outer(np.linspace(1, brightest, SHAPE_YX[0]), np.linspace(0.5, 1, SHAPE_YX[1])))


def still(_: int) -> NDArray[np.float64]:
    return defocused()


def too_dark(_: int) -> NDArray[np.float64]:
    return defocused(3)


def dim(_: int) -> NDArray[np.float64]:
    return defocused(40)


def bright(_: int) -> NDArray[np.float64]:
    return 9 * defocused()


def bleaching(index: int) -> NDArray[np.float64]:
    return 20 * defocused() * (1 - 0.5 * index / 19)


def hardly_bleaching(index: int) -> NDArray[np.float64]:
    return 4 * defocused() * (1 - 0.06 * index / 19)


def record(folder: Path, photons: Scene, *, frames: int = 20, name: str = "calibration.tif") -> Path:
    rng = np.random.default_rng(frames)
    stack = np.stack([CAMERA.observe(photons(index), rng) for index in range(frames)])
    path = folder / name
    tifffile.imwrite(path, stack, photometric="minisblack")
    return path


def new_microscope(api: httpx.Client, name: str) -> str:
    assert api.post("/v1/microscopes", json={"name": name}).status_code == 201
    return name


def noise_model_of(api: httpx.Client, job: Document) -> Document:
    found: Document = api.get(f"/v1/noise-models/{job['result']['values']['noise_model_id']}").json()
    return found


def variance_error(parameters: Document) -> float:
    """Return the largest relative error of a mixture's variance over signals of 4 to 75 photons."""
    model = noise_model_from_parameters(noise_model_parameters.validate_python(parameters).plain())
    signal_adu = torch.linspace(OFFSET_ADU + 4 * GAIN, OFFSET_ADU + 75 * GAIN, 50, dtype=torch.float64)
    true_adu2 = GAIN * (signal_adu - OFFSET_ADU) + READ_NOISE_ADU**2 + 1 / 12
    return float((model.variance_adu2(signal_adu) / true_adu2 - 1).abs().max())


def test_a_calibration_is_checked_fitted_and_used_by_the_next_job(
    api: httpx.Client, noisy_tiff: Path, tmp_path: Path
) -> None:
    scope = new_microscope(api, "calibrated scope")
    stack = upload(api, record(tmp_path, still), microscope=scope, role="calibration")
    data = upload(api, noisy_tiff, microscope=scope)
    job = run(api, kind="fit_noise_model", image_ids=[stack], data_image_ids=[data])
    values = job["result"]["values"]
    assert values["verdict"] == "good"
    assert values["warnings"] == []
    assert values["coverage"]["above"] < 0.01
    (scene,) = values["scenes"]
    assert (scene["name"], scene["frames"]) == ("calibration.tif", 20)
    assert abs(scene["trend"]["brightness_change"]) < 0.02

    fitted = noise_model_of(api, job)
    assert (fitted["origin"], fitted["belongs_to"]["microscope"]) == ("calibration", scope)
    assert fitted["fit_quality"]["scenes"] == values["scenes"]
    assert variance_error(fitted["parameters"]) < 0.05
    digest = api.get(f"/v1/images/{stack}").json()["sha256"]
    assert fitted["images"] == [{"id": stack, "sha256": digest}]
    assert (fitted["seed"], fitted["software_version"]) == (job["spec"]["seed"], version("clearscope"))
    assert fitted["pixel_pairs"] == fitted["fit_quality"]["pixel_pairs"] > 0
    assert fitted["mean_nll_nats"] > 0
    parameters = noise_model_parameters.validate_python(fitted["parameters"])
    assert fitted["parameters_sha256"] == digest_of_parameters(parameters)
    active = api.get("/v1/noise-models", params={"microscope": scope, "active_at": fitted["created_at"]})
    assert [each["id"] for each in active.json()] == [fitted["id"]]

    spec = {"kind": "denoise", "image_ids": [data], "budget": TINY}
    plan = api.post("/v1/jobs/preflight", json=spec).json()["plan"]
    step = next(each for each in plan if each["stage"] == "noise_model")
    assert (step["action"], step["id"]) == ("reuse", fitted["id"])
    assert "calibrat" in step["why"]
    denoised = run(api, **spec)
    network = api.get(f"/v1/networks/{denoised['result']['values']['network_id']}").json()
    assert network["noise_model_id"] == fitted["id"]


@pytest.mark.parametrize("kind", ["gmm", "histogram"])
def test_a_job_warns_that_its_images_are_brighter_than_their_calibration(
    api: httpx.Client, noisy_tiff: Path, tmp_path: Path, kind: str
) -> None:
    stack = upload(api, record(tmp_path, dim), role="calibration")
    data = [upload(api, noisy_tiff)]
    fit = post(api, kind="fit_noise_model", image_ids=[stack], data_image_ids=data, noise_model_kind=kind)[
        "id"
    ]
    spec = {"kind": "train", "method": "pn2v", "image_ids": data, "budget": TINY}
    job = run(api, **spec, noise_model={"job": fit})
    (warning,) = job["result"]["values"]["warnings"]
    assert "above" in warning
    assert "calibrate over the whole range" in warning


def test_single_frames_are_one_scene_and_a_histogram_has_the_range_of_the_images(
    api: httpx.Client, noisy_tiff: Path, tmp_path: Path
) -> None:
    with tifffile.TiffFile(record(tmp_path, still, frames=6)) as tiff:
        for number, page in enumerate(tiff.pages):
            tifffile.imwrite(tmp_path / f"frame_{number}.tif", page.asarray())
    frames = [upload(api, tmp_path / f"frame_{number}.tif", role="calibration") for number in range(6)]
    job = run(
        api,
        kind="fit_noise_model",
        image_ids=frames,
        data_image_ids=[upload(api, noisy_tiff)],
        noise_model_kind="histogram",
    )
    (scene,) = job["result"]["values"]["scenes"]
    assert (scene["name"], scene["frames"]) == ("the single frames", 6)
    fitted = noise_model_of(api, job)
    images_adu = tifffile.imread(noisy_tiff)
    assert fitted["kind"] == "histogram"
    assert fitted["belongs_to"] is None
    assert fitted["signal_min_adu"] == pytest.approx(images_adu.min(), abs=1)
    assert images_adu.max() <= fitted["signal_max_adu"] < 2 * images_adu.max()


@pytest.mark.parametrize(
    ("photons", "words"),
    [
        (bleaching, ("calibration.tif", "not static", "bleaching")),
        (too_dark, ("covers signals", "above", "whole range")),
    ],
)
def test_an_unusable_calibration_fails_its_job_and_says_why(
    api: httpx.Client, noisy_tiff: Path, tmp_path: Path, photons: Scene, words: tuple[str, ...]
) -> None:
    scope = new_microscope(api, f"spoilt by {words[1]}")
    stack = upload(api, record(tmp_path, photons), microscope=scope, role="calibration")
    data = upload(api, noisy_tiff, microscope=scope)
    job = wait_until(
        api, post(api, kind="fit_noise_model", image_ids=[stack], data_image_ids=[data])["id"], ended
    )
    assert (job["state"], job["error"]["code"]) == ("failed", "calibration-unsuitable")
    assert all(word in job["error"]["detail"] for word in words)
    assert api.get("/v1/noise-models", params={"microscope": scope}).json() == []


def test_a_doubtful_calibration_is_fitted_with_warnings_that_are_stored_with_the_noise_model(
    api: httpx.Client, tmp_path: Path
) -> None:
    stack = upload(api, record(tmp_path, hardly_bleaching), role="calibration")
    job = run(api, kind="fit_noise_model", image_ids=[stack])
    warnings = job["result"]["values"]["warnings"]
    assert any("the brightness changes by -" in warning for warning in warnings)
    assert noise_model_of(api, job)["fit_quality"]["warnings"] == warnings
    warned = [event["detail"]["detail"] for event in events(api, job["id"]) if event["kind"] == "warning"]
    assert warned == warnings


def test_a_stored_noise_model_is_checked_with_frames_and_with_images(
    api: httpx.Client, noisy_tiff: Path, tmp_path: Path
) -> None:
    right = upload(api, record(tmp_path, still), role="calibration")
    wrong = upload(api, record(tmp_path, bright, name="bright.tif"), role="calibration")
    fit = post(api, kind="fit_noise_model", image_ids=[right])["id"]
    checked = [
        run(api, kind="check_noise_model", image_ids=[image_id], noise_model={"job": fit})["result"]["values"]
        for image_id in (right, wrong)
    ]
    assert [values["verdict"] for values in checked] == ["good", "poor"]
    assert [bool(values["warnings"]) for values in checked] == [False, True]
    assert "above" in checked[1]["warnings"][0]
    assert len(checked[0]["histogram"]) == 20

    image_ids = [upload(api, noisy_tiff)]
    network = post(api, kind="train", method="n2v", image_ids=image_ids, budget=TINY)["id"]
    noise_model = checked[0]["checked_noise_model_id"]
    spec = {"kind": "check_noise_model", "image_ids": image_ids, "noise_model": noise_model}
    of_camera_alone = run(api, **spec)["result"]["values"]
    assert of_camera_alone["camera"]["source"] == "image"
    assert "verdict" not in of_camera_alone
    seen = run(api, **spec, network={"job": network})["result"]["values"]
    assert seen["verdict"] in {"good", "fair", "poor"}
    assert seen["scenes"] == []
    assert seen["pixel_pairs"] > 5000


def test_images_that_are_no_calibration_are_refused_by_name(
    api: httpx.Client, noisy_tiff: Path, tmp_path: Path
) -> None:
    scope = new_microscope(api, "another scope")
    frame_yx = tifffile.imread(noisy_tiff)
    tifffile.imwrite(tmp_path / "small.tif", frame_yx[:64, :64])
    tifffile.imwrite(tmp_path / "float.tif", frame_yx.astype(np.float32))
    hyperstack = np.stack([[frame_yx] * 2] * 3)
    tifffile.imwrite(tmp_path / "hyper.tif", hyperstack, imagej=True, metadata={"axes": "TCYX"})
    stack = upload(api, record(tmp_path, still, frames=3), role="calibration")
    data, frame = upload(api, noisy_tiff), upload(api, noisy_tiff, role="calibration")
    small = upload(api, tmp_path / "small.tif", role="calibration")
    floats = upload(api, tmp_path / "float.tif", role="calibration")
    hyper = upload(api, tmp_path / "hyper.tif", role="calibration")
    elsewhere = upload(api, noisy_tiff, microscope=scope)
    fit = {"kind": "fit_noise_model"}
    check = {"kind": "check_noise_model", "noise_model": "nm_none"}
    for spec, status, word in [
        ({**fit, "image_ids": [data]}, 422, "role=calibration"),
        ({**fit, "image_ids": [frame]}, 422, "at least 2 frames"),
        ({**fit, "image_ids": [frame, small]}, 422, "64 x 64"),
        ({**fit, "image_ids": [frame, floats]}, 422, "float32"),
        ({**fit, "image_ids": [hyper]}, 422, "TCYX"),
        ({**fit, "image_ids": [stack], "data_image_ids": [frame]}, 422, "role=data"),
        ({**fit, "image_ids": [stack], "data_image_ids": [elsewhere]}, 422, "another scope"),
        ({**fit, "image_ids": [stack], "data_image_ids": ["img_none"]}, 404, "img_none"),
        ({**fit, "image_ids": [stack], "noise_model_kind": "poisson"}, 422, "noise_model_kind"),
        ({**check, "image_ids": [stack]}, 404, "nm_none"),
    ]:
        response = api.post("/v1/jobs/preflight", json=spec)
        assert (response.status_code, word in response.json()["detail"]) == (status, True), response.text


def test_an_image_cannot_be_deleted_under_the_calibration_that_reads_it(
    api: httpx.Client, noisy_tiff: Path, tmp_path: Path
) -> None:
    stack = upload(api, record(tmp_path, still, frames=3), role="calibration")
    data = upload(api, noisy_tiff)
    long = post(
        api,
        kind="train",
        method="n2v",
        image_ids=[upload(api, noisy_tiff)],
        budget={**TINY, "steps": 100_000},
    )
    waiting = post(api, kind="fit_noise_model", image_ids=[stack], data_image_ids=[data])["id"]
    refused = api.delete(f"/v1/images/{data}")
    assert (refused.status_code, waiting in refused.json()["detail"]) == (409, True)
    for job_id in (waiting, long):
        api.post(f"/v1/jobs/{job_id}/cancel")
    assert api.delete(f"/v1/images/{data}").status_code == 204
