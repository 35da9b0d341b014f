"""Cameras that drift, over HTTP: calibrated, checked, marked, told, and calibrated again."""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application
from tests.support.posted_jobs import Document, artifact, run, upload, wait_for
from tests.support.webhook_receiver import Receiver
from worker.engine.simulation import Scmos

SHAPE_YX = (96, 96)
CAMERA = Scmos.with_maps(SHAPE_YX, seed=4)
HIGHER_GAIN = replace(CAMERA, gain_adu_per_e=1.03 * CAMERA.gain_adu_per_e)
SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  # of a receiver in this test
LIGHT = np.tile(np.linspace(2, 300, SHAPE_YX[1]), (SHAPE_YX[0], 1))


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def application(
    tmp_path_factory: pytest.TempPathFactory, isolation: Isolation, receiver: Receiver
) -> Iterator[Application]:
    application = Application(
        tmp_path_factory.mktemp("drift") / "data",
        isolation,
        webhook_secret=SECRET,
        webhook_allowed_networks="127.0.0.0/8",
        drift_webhook_url=f"{receiver.url}/facility",
        sweep_interval_s=0.2,
        drift_limits_of_cameras={"A7": {"gain_percent": 50}},
    )
    with application.worker():
        yield application
    application.close()


def _stack(folder: Path, camera: Scmos, photons: NDArray[np.float64], seed: int) -> Path:
    rng = np.random.default_rng(seed)
    path = folder / f"stack{seed}.tif"
    frames = np.stack([camera.observe(photons, rng) for _ in range(20)])
    tifffile.imwrite(path, frames, photometric="minisblack")
    return path


@pytest.fixture
def calibrated(api: httpx.Client, tmp_path: Path, request: pytest.FixtureRequest) -> Document:
    """A microscope of this test's own, with an active calibrated noise model."""
    scope = f"<i>{request.node.name}"
    created = api.post("/v1/microscopes", json={"name": scope}).raise_for_status().json()
    bright = upload(api, _stack(tmp_path, CAMERA, LIGHT, 1), microscope=scope, role="calibration")
    dark = upload(api, _stack(tmp_path, CAMERA, 0 * LIGHT, 2), microscope=scope, role="calibration")
    fit = run(api, kind="fit_noise_model", image_ids=[bright], dark_image_ids=[dark])
    return {
        "id": created["id"],
        "microscope": scope,
        "noise_model": fit["result"]["values"]["noise_model_id"],
        "dark": dark,
    }


def _check(api: httpx.Client, calibrated: Document, path: Path, **fields: object) -> Document:
    image = upload(api, path, microscope=calibrated["microscope"], role="calibration")
    job = run(api, kind="check_noise_model", image_ids=[image], dark_image_ids=[calibrated["dark"]], **fields)
    assert job["result"]["values"]["checked_noise_model_id"] == calibrated["noise_model"]
    found: Document = job["result"]["values"]
    return found


def test_a_drifted_gain_marks_the_noise_model_and_is_told_wherever_that_matters(
    api: httpx.Client, calibrated: Document, receiver: Receiver, tmp_path: Path
) -> None:
    values = _check(
        api, calibrated, _stack(tmp_path, HIGHER_GAIN, LIGHT, 3), webhook_url=f"{receiver.url}/job"
    )
    gain = next(each for each in values["camera"]["figures"] if each["name"] == "gain")
    assert (gain["symbol"], gain["unit"], gain["verdict"]) == ("K", "DN/e-", "drifted")
    assert gain["value"] / gain["reference"] == pytest.approx(1.03, abs=4 * gain["standard_error"])
    assert any("drifted: overall system gain" in warning for warning in values["warnings"])

    document = api.get(f"/v1/noise-models/{calibrated['noise_model']}").json()
    assert document["drift"]["figures"] == {"gain": "calibration"}
    check = api.get(f"/v1/camera-checks/{document['drift']['check_id']}").json()
    assert (check["effect"], check["check"]) == ("marked", values["camera"])
    assert "clearscope_drifted_noise_models 1.0" in api.get("/metrics").text

    image = upload(api, _image(tmp_path), microscope=calibrated["microscope"])
    denoise = {"kind": "denoise", "image_ids": [image], "preset": "instant"}
    preflight = api.post("/v1/jobs/preflight", json=denoise).json()
    assert any("the camera has drifted" in warning for warning in preflight["warnings"])
    step = next(each for each in preflight["plan"] if each["stage"] == "noise_model")
    assert step["fit"]["drifted"]
    denoised = run(api, **denoise)
    assert any("the camera has drifted" in each for each in denoised["result"]["values"]["warnings"])
    assert denoised["result"]["trust"]["verdict"] != "trust"
    (judged,) = json.loads(artifact(api, denoised, "trust-report.json"))["channels"]
    assert judged["noise_model_fit"]["drifted"]
    assert any("is of the camera as it was" in reason for reason in judged["reasons"])

    events = {path: _event(receiver, path) for path in ("/facility", "/job")}
    assert events["/facility"]["type"] == "noise_model.drifted"
    assert events["/facility"]["data"]["noise_model_id"] == calibrated["noise_model"]
    assert events["/job"]["data"]["camera"]["verdict"] == "drifted"


def test_a_camera_may_have_limits_of_its_own(api: httpx.Client, tmp_path: Path) -> None:
    api.post("/v1/microscopes", json={"name": "wide"}).raise_for_status()
    settings = {"camera": "Flash", "camera_serial": "A7"}
    profile = api.post("/v1/microscopes/wide/profiles", json=settings).raise_for_status().json()["id"]
    bright, shifted = (
        upload(api, _stack(tmp_path, camera, LIGHT, seed), profile=profile, role="calibration")
        for camera, seed in ((CAMERA, 11), (HIGHER_GAIN, 12))
    )
    run(api, kind="fit_noise_model", image_ids=[bright])
    values = run(api, kind="check_noise_model", image_ids=[shifted])["result"]["values"]
    gain = next(each for each in values["camera"]["figures"] if each["name"] == "gain")
    assert gain["verdict"] == "ok"
    assert gain["limit"] > 0.49 * gain["reference"]


@pytest.mark.slow
def test_exposures_of_one_light_tell_the_linearity_error(api: httpx.Client, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    api.post("/v1/microscopes", json={"name": "series"}).raise_for_status()
    frames = [
        upload(
            api,
            _exposed(tmp_path / f"{exposure_ms}.ome.tif", exposure_ms, rng),
            microscope="series",
            role="calibration",
        )
        for exposure_ms in (10, 25, 50, 75, 100)
    ]
    fit = run(api, kind="fit_noise_model", image_ids=frames)["result"]["values"]
    model = api.get(f"/v1/noise-models/{fit['noise_model_id']}").json()
    linearity = model["fit_quality"]["camera"]["figures"]["linearity"]
    assert linearity["how"] == "5 exposures of 0.01 to 0.1 s"
    check = run(api, kind="check_noise_model", image_ids=frames)["result"]["values"]
    (found,) = (each for each in check["camera"]["figures"] if each["name"] == "linearity")
    assert (found["symbol"], found["unit"], found["verdict"]) == ("LE", "%", "ok")
    assert found["value"] == found["reference"] == pytest.approx(linearity["value"])
    assert 0 < found["value"] < 1


def _exposed(path: Path, exposure_ms: int, rng: np.random.Generator) -> Path:
    """Write ten frames of one light as an OME-TIFF that tells their exposure."""
    frames = np.stack([CAMERA.observe(exposure_ms / 100 * LIGHT, rng) for _ in range(10)])
    exposures = {"ExposureTime": [exposure_ms / 1000] * 10, "ExposureTimeUnit": ["s"] * 10}
    metadata = {"axes": "TYX", "Plane": exposures}
    tifffile.imwrite(path, frames, ome=True, photometric="minisblack", metadata=metadata)
    return path


def test_a_good_check_clears_the_mark_and_charts_and_report_show_it(
    api: httpx.Client, calibrated: Document, tmp_path: Path
) -> None:
    drifted = _stack(tmp_path, HIGHER_GAIN, LIGHT, 5)
    for path, effect, marked in (
        (drifted, "marked", True),
        (_stack(tmp_path, CAMERA, LIGHT, 6), "cleared", False),
    ):
        check = _check(api, calibrated, path)["camera_check_id"]
        assert api.get(f"/v1/camera-checks/{check}").json()["effect"] == effect
        document = api.get(f"/v1/noise-models/{calibrated['noise_model']}").json()
        assert (document["drift"] is not None) == marked

    scope = calibrated["microscope"]
    query = {"microscope": scope, "limit": 1}
    first = api.get("/v1/camera-checks", params=query)
    assert len(first.json()) == 1
    assert len(api.get(first.links["next"]["url"]).json()) == 1
    profile = document["belongs_to"]["profile_id"]
    charts = f"/v1/microscopes/{calibrated['id']}/profiles/{profile}/control-charts"
    chart = next(each for each in api.get(charts).json() if each["name"] == "gain")
    assert [point["verdict"] for point in chart["points"]] == ["drifted", "ok"]
    assert all(point["lower"] < point["centre"] < point["upper"] for point in chart["points"])
    drawn = ET.fromstring(api.get(f"{charts}/gain.svg").content)  # noqa: S314  # of this server
    assert len(drawn.findall("{http://www.w3.org/2000/svg}circle")) == 2

    report = f"/v1/microscopes/{calibrated['id']}/camera-report"
    page = api.get(report)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "None of them has drifted." in page.text
    assert f"&lt;i&gt;{scope.removeprefix('<i>')}" in page.text
    assert "<i>" not in page.text
    assert set(re.findall(r"https?://[^\"<]+", page.text)) == {"http://www.w3.org/2000/svg"}
    (camera,) = api.get(f"{report}.json").json()["cameras"]
    assert (camera["verdict"], camera["checks"]) == ("ok", 2)
    symbols = {each["name"]: (each["symbol"], each["unit"]) for each in camera["figures"]}
    assert symbols["read_noise"] == ("\N{GREEK SMALL LETTER SIGMA}_d", "e-")
    with zipfile.ZipFile(io.BytesIO(api.get(f"{report}.zip").content)) as crate:
        metadata = json.loads(crate.read("ro-crate-metadata.json"))
        for entity in metadata["@graph"]:
            if entity["@type"] == "File":
                assert hashlib.sha256(crate.read(entity["@id"])).hexdigest() == entity["sha256"]
        assert json.loads(crate.read("camera-report.json"))["cameras"] == [camera]
    earlier = api.get(f"{report}.json", params={"month": "2024-02"}).json()
    assert (earlier["since"], earlier["until"]) == ("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z")
    assert [each["verdict"] for each in earlier["cameras"]] == ["unchecked"]
    assert api.get(report, params={"month": "2024-13"}).status_code == 422


def test_a_check_needs_a_noise_model_and_dark_frames_that_are_calibrations(
    api: httpx.Client, tmp_path: Path
) -> None:
    image = upload(api, _image(tmp_path))
    check = {"kind": "check_noise_model", "image_ids": [image]}
    missing = api.post("/v1/jobs", json=check)
    assert missing.status_code == 404
    assert "no active noise model" in missing.json()["detail"]
    calibration = upload(api, _stack(tmp_path, CAMERA, LIGHT, 7), role="calibration")
    refused = api.post(
        "/v1/jobs",
        json={"kind": "fit_noise_model", "image_ids": [calibration], "dark_image_ids": [image]},
    )
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("dark_image_ids")


def _image(folder: Path) -> Path:
    path = folder / "image.tif"
    tifffile.imwrite(path, CAMERA.observe(LIGHT / 2, np.random.default_rng(8)))
    return path


def _event(receiver: Receiver, path: str) -> Document:
    def arrived() -> list[bytes]:
        return [each.body for each in receiver.deliveries if each.path == path]

    wait_for(arrived, f"an event at {path}")
    found: Document = json.loads(arrived()[0])
    return found
