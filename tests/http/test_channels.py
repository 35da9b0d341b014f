"""Images with several channels, over HTTP: each is denoised as if it were alone."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application
from tests.support.dyes import (
    CHANNELS,
    HEIGHT_PX,
    NAMES,
    TIMES,
    WIDTH_PX,
    planes_of_dyes,
    upload_dyes,
    write_dyes,
)
from tests.support.posted_jobs import TINY, Document, artifact, ended, post, run, upload, wait_until
from tests.support.published_files import import_model

pytestmark = pytest.mark.usefixtures("worker")

STAGES = ["n2v", "noise_model", "pn2v", "distil", "predict"]
DENOISE: dict[str, Any] = {"kind": "denoise", "budget": TINY, "seed": 4}


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Application]:
    """Application that divides the planes of a channel."""
    folder = tmp_path_factory.mktemp("channels") / "data"
    application = Application(folder, isolation, part_pixels=HEIGHT_PX * WIDTH_PX)
    with application.client() as api:
        api.post("/v1/microscopes", json={"name": "Scope"}).raise_for_status()
    yield application
    application.close()


@pytest.fixture(scope="module")
def planes_tcyx() -> NDArray[np.uint16]:
    return planes_of_dyes()


@pytest.fixture(scope="module")
def image_id(
    api: httpx.Client, planes_tcyx: NDArray[np.uint16], tmp_path_factory: pytest.TempPathFactory
) -> str:
    return upload_dyes(api, tmp_path_factory.mktemp("images"), planes_tcyx)


@pytest.fixture(scope="module")
def job(api: httpx.Client, image_id: str) -> Document:
    """A job that has denoised the image."""
    return run(api, **DENOISE, image_ids=[image_id], outputs=["denoised", "posterior_std"])


def test_each_channel_is_denoised_as_if_it_were_alone(
    api: httpx.Client, job: Document, planes_tcyx: NDArray[np.uint16], tmp_path: Path
) -> None:
    # The last one: planes, seeds or stages that are those of the first channel by mistake would differ.
    channel = CHANNELS - 1
    path = tmp_path / "alone.tif"
    tifffile.imwrite(path, planes_tcyx[:, channel], photometric="minisblack", metadata={"axes": "TYX"})
    alone = run(api, **DENOISE, image_ids=[upload(api, path)], outputs=["denoised", "posterior_std"])
    for output in ("denoised", "posterior_std"):
        together_tcyx = planes_of(api, job, f"dyes_{output}.ome.tif")
        assert together_tcyx.shape == planes_tcyx.shape
        alone_tyx = planes_of(api, alone, f"alone_{output}.tif")
        np.testing.assert_array_equal(together_tcyx[:, channel], alone_tyx)
    (found,) = (each for each in job["result"]["values"]["channels"] if each["channel"] == channel)
    for value in ("estimate", "reason", "estimated_mse_adu2", "noise_correlation"):
        assert found[value] == alone["result"]["values"][value]


def planes_of(api: httpx.Client, job: Document, name: str) -> NDArray[Any]:
    return np.asarray(tifffile.imread(io.BytesIO(artifact(api, job, name))))


def test_the_result_and_the_stages_name_the_channel(api: httpx.Client, job: Document) -> None:
    values = job["result"]["values"]
    assert [(each["channel"], each["name"]) for each in values["channels"]] == list(enumerate(NAMES))
    assert not {"estimate", "network_id", "noise_model_id"} & values.keys()
    for each in values["channels"]:
        for kind in ("network", "noise_model"):
            path = f"/v1/{kind.replace('_', '-')}s/{each[f'{kind}_id']}"
            assert api.get(path).json()["channel"] == each["name"]
    *of_channels, assembly = job["stages"]
    assert [(stage["channel"], stage["stage"]) for stage in of_channels] == [
        (channel, stage) for channel in range(CHANNELS) for stage in STAGES
    ]
    assert (assembly["channel"], assembly["stage"], assembly["kind"]) == (None, "predict", "assemble")
    assert [(step["channel"], step["stage"]) for step in job["plan"]] == [
        (stage["channel"], stage["stage"]) for stage in of_channels
    ]
    assert {step["parts"] for step in job["plan"] if step["stage"] == "predict"} == {TIMES}


def test_a_network_may_be_trained_on_one_channel(api: httpx.Client, image_id: str) -> None:
    train = {"kind": "train", "method": "n2v", "preset": "paper", "image_ids": [image_id], "budget": TINY}
    networks = [run(api, **train, channel=channel)["result"]["values"]["network_id"] for channel in (0, 1)]
    documents = [api.get(f"/v1/networks/{network_id}").json() for network_id in networks]
    assert [document["channel"] for document in documents] == ["DAPI", "GFP"]
    assert len({document["sha256"] for document in documents}) == 2


def test_a_later_job_reuses_the_models_of_the_same_channel(
    api: httpx.Client, job: Document, planes_tcyx: NDArray[np.uint16], tmp_path: Path
) -> None:
    made = {each["name"]: each for each in job["result"]["values"]["channels"]}
    write_dyes(tmp_path / "swapped.ome.tif", planes_tcyx[:, ::-1], NAMES[::-1])
    swapped = upload(api, tmp_path / "swapped.ome.tif", microscope="Scope")
    spec = {**DENOISE, "image_ids": [swapped], "reuse": "network"}
    plan = api.post("/v1/jobs/preflight", json=spec).json()["plan"]
    for channel, name in enumerate(NAMES[::-1]):
        reused = {step["stage"]: step["id"] for step in plan if step["channel"] == channel}
        assert reused["pn2v"] == made[name]["network_id"]
        assert api.get(f"/v1/noise-models/{reused['noise_model']}").json()["channel"] == name
        assert reused["distil"] == made[name]["distilled_network_id"]
        (why,) = (step["why"] for step in plan if (step["channel"], step["stage"]) == (channel, "pn2v"))
        assert f"Scope / default, channel {channel + 1} of 3 ({name})" in why
    tifffile.imwrite(tmp_path / "single.tif", planes_tcyx[0, 0])
    spec["image_ids"] = [upload(api, tmp_path / "single.tif", microscope="Scope")]
    assert {step["id"] for step in api.post("/v1/jobs/preflight", json=spec).json()["plan"]} == {None}
    for kind in ("networks", "noise-models"):
        listed = api.get(f"/v1/{kind}", params={"microscope": "Scope", "channel": "GFP"}).json()
        assert listed
        assert {each["channel"] for each in listed} == {"GFP"}


def test_a_deliberate_noise_model_serves_its_channel_or_all(
    api: httpx.Client, planes_tcyx: NDArray[np.uint16], tmp_path: Path
) -> None:
    api.post("/v1/microscopes", json={"name": "Calibrated"}).raise_for_status()
    write_dyes(tmp_path / "dyes.ome.tif", planes_tcyx)
    image_id = upload(api, tmp_path / "dyes.ome.tif", microscope="Calibrated")
    frames_zyx = np.random.default_rng(5).poisson(np.linspace(50, 900, 80 * 80).reshape(80, 80), (6, 80, 80))
    tifffile.imwrite(tmp_path / "frames.tif", frames_zyx.astype(np.uint16), photometric="minisblack")
    frames = upload(api, tmp_path / "frames.tif", microscope="Calibrated", role="calibration")
    fit = {"kind": "fit_noise_model", "image_ids": [frames], "for_channel": "GFP"}
    gfp = run(api, **fit)["result"]["values"]["noise_model_id"]
    cy5 = import_model(api, microscope="Calibrated", channel="Cy5")["id"]
    shared = import_model(api, microscope="Calibrated")["id"]
    spec = {**DENOISE, "image_ids": [image_id], "force": True}
    plan = api.post("/v1/jobs/preflight", json=spec).json()["plan"]
    reused = {step["channel"]: step for step in plan if step["stage"] == "noise_model"}
    assert {channel: step["id"] for channel, step in reused.items()} == {0: shared, 1: gfp, 2: cy5}
    assert reused[0]["why"] == "the imported noise model of Calibrated / default"
    assert reused[1]["why"] == "the calibrated noise model of Calibrated / default, channel 2 of 3 (GFP)"
    answer = api.post("/v1/jobs", json={**fit, "for_channel": "YFP", "data_image_ids": [image_id]})
    assert answer.status_code == 422
    assert "no channel 'YFP', only DAPI, GFP, Cy5" in answer.json()["detail"]


def test_a_calibration_for_a_channel_is_compared_with_its_planes_alone(
    api: httpx.Client, planes_tcyx: NDArray[np.uint16], tmp_path: Path
) -> None:
    """The bright channel is brighter than all calibrated signals."""
    api.post("/v1/microscopes", json={"name": "Compared"}).raise_for_status()
    write_dyes(tmp_path / "dyes.ome.tif", planes_tcyx)
    image_id = upload(api, tmp_path / "dyes.ome.tif", microscope="Compared")
    frames_zyx = 80 + np.random.default_rng(6).poisson(
        np.linspace(20, 90, 80 * 80).reshape(80, 80), (6, 80, 80)
    )
    tifffile.imwrite(tmp_path / "frames.tif", frames_zyx.astype(np.uint16), photometric="minisblack")
    frames = upload(api, tmp_path / "frames.tif", microscope="Compared", role="calibration")
    fit = {"kind": "fit_noise_model", "image_ids": [frames], "data_image_ids": [image_id]}
    covered = {
        channel: wait_until(api, post(api, **fit, for_channel=channel)["id"], ended)
        for channel in ("DAPI", "Cy5")
    }
    assert covered["DAPI"]["state"] == "succeeded"
    assert covered["Cy5"]["error"]["code"] == "calibration-unsuitable"


@pytest.mark.usefixtures("job")
def test_every_channel_has_an_active_noise_model(api: httpx.Client) -> None:
    now = {"microscope": "Scope", "active_at": "2100-01-01T00:00:00Z"}
    active = api.get("/v1/noise-models", params=now).json()
    assert sorted(each["channel"] for each in active) == sorted(NAMES)
    (gfp,) = api.get("/v1/noise-models", params={**now, "channel": "GFP"}).json()
    assert gfp["id"] in {each["id"] for each in active}


def test_images_with_different_channels_are_refused(
    api: httpx.Client, image_id: str, planes_tcyx: NDArray[np.uint16], tmp_path: Path
) -> None:
    write_dyes(tmp_path / "two.ome.tif", planes_tcyx[:, :2])
    write_dyes(tmp_path / "swapped.ome.tif", planes_tcyx[:, ::-1], NAMES[::-1])
    for name, what in (
        ("two", "has 3, .*two.ome.tif.* has 2|has 2 and .*has 3"),
        ("swapped", "Cy5, GFP, DAPI"),
    ):
        other = upload(api, tmp_path / f"{name}.ome.tif", microscope="Scope")
        answer = api.post("/v1/jobs", json={**DENOISE, "image_ids": [image_id, other]})
        assert answer.status_code == 422
        assert "image_ids: the images of one job share a network for each channel" in answer.json()["detail"]
        assert re.search(what, answer.json()["detail"]), answer.json()["detail"]


def test_a_channel_that_is_not_there_and_an_ambiguous_job_are_refused(
    api: httpx.Client, job: Document, image_id: str, noisy_tiff: Path
) -> None:
    train = {"kind": "train", "method": "n2v"}
    single = upload(api, noisy_tiff)
    for spec, what in (
        (
            {**train, "image_ids": [image_id], "channel": 3},
            "has 3 channels; name 0 (DAPI), 1 (GFP) or 2 (Cy5)",
        ),
        ({**train, "image_ids": [single], "channel": 0}, "has a single channel; leave the channel out"),
        (
            {"kind": "predict", "image_ids": [single], "network": {"job": job["id"]}},
            "makes a network for each channel",
        ),
    ):
        answer = api.post("/v1/jobs", json=spec)
        assert answer.status_code == 422
        assert what in answer.json()["detail"]
