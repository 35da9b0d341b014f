"""Jobs of single kinds on images with several channels, and noise models named for each channel."""

import io
import json
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
from tests.support.posted_jobs import TINY, Document, artifact, post, run, upload
from tests.support.published_files import histogram_npy, import_model

pytestmark = pytest.mark.usefixtures("worker")

PREDICT: dict[str, Any] = {"kind": "predict", "network": "pretrained", "seed": 4, "force": True}
INSTANT: dict[str, Any] = {"kind": "denoise", "preset": "instant", "reuse": "none", "seed": 4, "force": True}
N2V: dict[str, Any] = {"kind": "train", "method": "n2v", "preset": "paper", "budget": TINY}
CHOICES = r"0 (DAPI), 1 (GFP) or 2 (Cy5)"


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Application]:
    """Application that divides the planes of a channel."""
    folder = tmp_path_factory.mktemp("channels") / "data"
    application = Application(folder, isolation, part_pixels=HEIGHT_PX * WIDTH_PX)
    with application.client() as api:
        for name in ("Scope", "Other"):
            api.post("/v1/microscopes", json={"name": name}).raise_for_status()
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
def alone(
    api: httpx.Client, planes_tcyx: NDArray[np.uint16], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """An image of each channel alone."""
    folder = tmp_path_factory.mktemp("alone")
    ids = []
    for channel in range(CHANNELS):
        path = folder / "alone.tif"
        tifffile.imwrite(path, planes_tcyx[:, channel], photometric="minisblack", metadata={"axes": "TYX"})
        ids.append(upload(api, path))
    return ids


@pytest.fixture(scope="module")
def predicted_alone(api: httpx.Client, alone: list[str]) -> list[Document]:
    return [run(api, **PREDICT, image_ids=[image]) for image in alone]


@pytest.fixture(scope="module")
def gfp_network(api: httpx.Client, image_id: str) -> str:
    network_id: str = run(api, **N2V, image_ids=[image_id], channel=1)["result"]["values"]["network_id"]
    return network_id


def result_of(api: httpx.Client, job: Document, name: str) -> NDArray[Any]:
    return np.asarray(tifffile.imread(io.BytesIO(artifact(api, job, name))))


def refusal(api: httpx.Client, spec: Document, status: int = 422) -> str:
    """Return the reason why a job is refused, the same when it is posted and before."""
    answers = [api.post(path, json=spec) for path in ("/v1/jobs/preflight", "/v1/jobs")]
    assert [answer.status_code for answer in answers] == [status, status]
    before, posted = (answer.json()["detail"] for answer in answers)
    assert before == posted
    return str(posted)


@pytest.mark.slow
def test_a_prediction_treats_each_channel_as_if_it_were_alone(
    api: httpx.Client, image_id: str, predicted_alone: list[Document], planes_tcyx: NDArray[np.uint16]
) -> None:
    job = run(api, **PREDICT, image_ids=[image_id])
    for output in ("denoised", "posterior_std"):
        together_tcyx = result_of(api, job, f"dyes_{output}.ome.tif")
        assert together_tcyx.shape == planes_tcyx.shape
        for channel, of_channel in enumerate(predicted_alone):
            alone_tyx = result_of(api, of_channel, f"alone_{output}.tif")
            np.testing.assert_array_equal(together_tcyx[:, channel], alone_tyx)
    values = job["result"]["values"]
    assert [(each["channel"], each["name"]) for each in values["channels"]] == list(enumerate(NAMES))
    report = json.loads(artifact(api, job, "trust-report.json"))
    assert [each["channel"] for each in report["channels"]] == list(range(len(NAMES)))
    assert job["result"]["trust"]["sentence"] == report["sentence"]
    for found, of_channel in zip(values["channels"], predicted_alone, strict=True):
        assert found["reason"] == of_channel["result"]["values"]["reason"]
        noise_model = api.get(f"/v1/noise-models/{found['noise_model_id']}").json()
        assert (noise_model["channel"], noise_model["origin"]) == (found["name"], "bootstrap")
    assert [(step["channel"], step["parts"]) for step in job["plan"]] == [
        (channel, TIMES) for channel in range(CHANNELS)
    ]


def test_a_prediction_of_one_channel_copies_the_others_and_says_so(
    api: httpx.Client, image_id: str, predicted_alone: list[Document], planes_tcyx: NDArray[np.uint16]
) -> None:
    job = run(api, **PREDICT, image_ids=[image_id], channel=1)
    denoised_tcyx = result_of(api, job, "dyes_denoised.ome.tif")
    np.testing.assert_array_equal(
        denoised_tcyx[:, 1], result_of(api, predicted_alone[1], "alone_denoised.tif")
    )
    np.testing.assert_array_equal(denoised_tcyx[:, ::2], planes_tcyx[:, ::2])
    std_tcyx = result_of(api, job, "dyes_posterior_std.ome.tif")
    assert np.isnan(std_tcyx[:, ::2]).all()
    assert (std_tcyx[:, 1] > 0).all()
    values = job["result"]["values"]
    assert [each["name"] for each in values["channels"]] == ["GFP"]
    copied = [text for text in values["warnings"] if "copied" in text]
    assert copied == [
        f"channel {number} of 3 ({name}) is not the one that the job names, so its planes are copied, with "
        "their noise"
        for number, name in ((1, "DAPI"), (3, "Cy5"))
    ]
    assert [step["action"] for step in job["plan"]] == ["skip", "compute", "skip"]


def test_a_denoise_job_for_one_channel_copies_the_others(
    api: httpx.Client, image_id: str, planes_tcyx: NDArray[np.uint16]
) -> None:
    job = run(api, **INSTANT, image_ids=[image_id], channel=2, outputs=["denoised"])
    denoised_tcyx = result_of(api, job, "dyes_denoised.ome.tif")
    np.testing.assert_array_equal(denoised_tcyx[:, :2], planes_tcyx[:, :2])
    assert (denoised_tcyx[:, 2] != planes_tcyx[:, 2]).mean() > 0.9
    values = job["result"]["values"]
    assert [each["name"] for each in values["channels"]] == ["Cy5"]
    assert sum("not the one that the job names" in text for text in values["warnings"]) == 2
    assert {step["channel"] for step in job["plan"] if step["action"] == "compute"} == {2}


def test_warnings_before_a_job_are_those_of_the_channel_that_it_names(
    api: httpx.Client, planes_tcyx: NDArray[np.uint16], tmp_path: Path
) -> None:
    hot_tcyx = planes_tcyx.copy()
    hot_tcyx[0, :2, 9, 9] = 60_000
    write_dyes(tmp_path / "hot.ome.tif", hot_tcyx)
    spec = {**PREDICT, "image_ids": [upload(api, tmp_path / "hot.ome.tif")]}
    of_one, of_all = (
        api.post("/v1/jobs/preflight", json=each).json()["warnings"] for each in (spec | {"channel": 1}, spec)
    )
    assert [text.split(":")[0] for text in of_one] == ["channel 2 of 3 (GFP)"]
    assert {"channel 1 of 3 (DAPI)", "channel 2 of 3 (GFP)"} <= {text.split(":")[0] for text in of_all}


def test_a_network_of_one_channel_is_applied_to_the_channel_that_the_job_names(
    api: httpx.Client, image_id: str, gfp_network: str, alone: list[str]
) -> None:
    spec = {"kind": "predict", "image_ids": [image_id], "network": gfp_network, "outputs": ["denoised"]}
    assert refusal(api, spec) == (
        f"network: {gfp_network} was trained on the channel GFP alone, and image {image_id} (dyes.ome.tif) "
        f"has several; name the channel to denoise with it, {CHOICES}, in the field channel"
    )
    named = run(api, **spec, channel=1)
    of_file = run(api, **{**spec, "image_ids": [alone[1]]})
    np.testing.assert_array_equal(
        result_of(api, named, "dyes_denoised.ome.tif")[:, 1], result_of(api, of_file, "alone_denoised.tif")
    )


def test_a_network_that_a_job_will_train_on_one_channel_is_not_applied_to_all(
    api: httpx.Client, image_id: str
) -> None:
    training = post(api, **N2V, image_ids=[image_id], channel=2)["id"]
    spec = {"kind": "predict", "image_ids": [image_id], "network": {"job": training}}
    assert "was trained on the channel Cy5 alone" in refusal(api, spec)
    assert post(api, **spec, channel=2)["plan"][2]["action"] == "compute"


@pytest.mark.slow
def test_a_network_of_a_single_channel_denoises_each_channel(
    api: httpx.Client, image_id: str, alone: list[str]
) -> None:
    network = run(api, **N2V, image_ids=[alone[0]])["result"]["values"]["network_id"]
    spec = {"kind": "predict", "network": network, "outputs": ["denoised"]}
    together_tcyx = result_of(api, run(api, **spec, image_ids=[image_id]), "dyes_denoised.ome.tif")
    of_file = run(api, **spec, image_ids=[alone[2]])
    np.testing.assert_array_equal(together_tcyx[:, 2], result_of(api, of_file, "alone_denoised.tif"))


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "train", "method": "n2v"},
        {"kind": "bootstrap_noise_model", "network": "pretrained"},
        {"kind": "check_noise_model", "network": "GFP"},
    ],
)
def test_a_job_for_one_channel_does_not_mix_several(
    api: httpx.Client, image_id: str, gfp_network: str, spec: Document
) -> None:
    if spec["kind"] == "check_noise_model":
        spec = {**spec, "network": gfp_network, "noise_model": import_model(api, microscope="Scope")["id"]}
    assert refusal(api, {**spec, "image_ids": [image_id]}) == (
        f"channel: image {image_id} (dyes.ome.tif) has several channels, each with a detector, a gain and "
        f"dyes of its own, and this job works on one; name {CHOICES}"
    )


def test_a_noise_model_is_made_and_checked_for_the_channel_that_the_job_names(
    api: httpx.Client, image_id: str, alone: list[str], gfp_network: str
) -> None:
    bootstrap = {"kind": "bootstrap_noise_model", "network": gfp_network}
    made = run(api, **bootstrap, image_ids=[image_id], channel=1)["result"]["values"]["noise_model_id"]
    same = run(api, **bootstrap, image_ids=[alone[1]])["result"]["values"]["noise_model_id"]
    of_channel, of_file = (api.get(f"/v1/noise-models/{each}").json() for each in (made, same))
    assert of_channel["channel"] == "GFP"
    assert of_channel["parameters"] == of_file["parameters"]
    check = {"kind": "check_noise_model", "network": gfp_network, "noise_model": made}
    checked = [
        run(api, **check, **images)["result"]["values"]
        for images in ({"image_ids": [image_id], "channel": 1}, {"image_ids": [alone[1]]})
    ]
    assert checked[0]["pixel_pairs"] == checked[1]["pixel_pairs"] <= TIMES * HEIGHT_PX * WIDTH_PX
    assert checked[0]["mean_nll_nats"] == checked[1]["mean_nll_nats"]


@pytest.mark.parametrize(
    "spec",
    [
        PREDICT,
        INSTANT,
        {"kind": "train", "method": "n2v"},
        {"kind": "bootstrap_noise_model", "network": "pretrained"},
    ],
)
def test_a_channel_that_is_not_there_is_refused(
    api: httpx.Client, image_id: str, alone: list[str], spec: Document
) -> None:
    told = refusal(api, {**spec, "image_ids": [image_id], "channel": 3})
    assert told == (f"channel: image {image_id} (dyes.ome.tif) has 3 channels; name {CHOICES}")
    told = refusal(api, {**spec, "image_ids": [alone[0]], "channel": 0})
    assert told.endswith("has a single channel; leave the channel out")


def test_an_empty_channel_is_copied_and_a_job_for_it_refused(
    api: httpx.Client, planes_tcyx: NDArray[np.uint16], tmp_path: Path
) -> None:
    planes_tcyx = planes_tcyx.copy()
    planes_tcyx[:, 1] = 7
    write_dyes(tmp_path / "empty.ome.tif", planes_tcyx)
    spec = {**PREDICT, "image_ids": [upload(api, tmp_path / "empty.ome.tif")]}
    assert refusal(api, {**spec, "channel": 1}) == "channel: channel 1 is empty; there is nothing to denoise"
    plan = api.post("/v1/jobs/preflight", json=spec).json()["plan"]
    assert [(step["channel"], step["action"]) for step in plan] == [
        (0, "compute"),
        (1, "skip"),
        (2, "compute"),
    ]


def test_each_channel_has_the_noise_model_that_is_named_for_it(
    api: httpx.Client, image_id: str, alone: list[str], predicted_alone: list[Document]
) -> None:
    dapi, gfp = (import_model(api, microscope="Scope")["id"] for _ in range(2))
    of_files = [
        run(api, **PREDICT, image_ids=[alone[0]], noise_model=dapi),
        run(api, **PREDICT, image_ids=[alone[1]], noise_model=gfp),
        predicted_alone[2],
    ]
    for kind in (INSTANT, PREDICT):
        job = run(api, **kind, image_ids=[image_id], noise_model=[dapi, gfp, None], outputs=["denoised"])
        assert job["spec"]["noise_model"] == [dapi, gfp, None]
        together_tcyx = result_of(api, job, "dyes_denoised.ome.tif")
        for channel, of_file in enumerate(of_files):
            alone_tyx = result_of(api, of_file, "alone_denoised.tif")
            np.testing.assert_array_equal(together_tcyx[:, channel], alone_tyx)
        made = [each.get("noise_model_id") for each in job["result"]["values"]["channels"]]
        assert made[:2] == [None, None]
        assert api.get(f"/v1/noise-models/{made[2]}").json()["channel"] == "Cy5"
    assert api.delete(f"/v1/noise-models/{dapi}").status_code == 409


def test_the_plan_says_which_noise_model_a_channel_has(api: httpx.Client, image_id: str) -> None:
    gfp = import_model(api, microscope="Scope", channel="GFP")["id"]
    named = import_model(api, microscope="Scope", channel="DAPI")["id"]
    spec = {**INSTANT, "image_ids": [image_id], "noise_model": [None, named, None]}
    plan = api.post("/v1/jobs/preflight", json=spec).json()["plan"]
    steps = {step["channel"]: step for step in plan if step["stage"] == "noise_model"}
    assert [steps[channel]["id"] for channel in range(CHANNELS)] == [None, named, None]
    assert steps[1]["why"] == "named in the job"
    plan = api.post("/v1/jobs/preflight", json=spec | {"reuse": "calibration"}).json()["plan"]
    steps = {step["channel"]: step for step in plan if step["stage"] == "noise_model"}
    assert gfp not in {step["id"] for step in steps.values()}
    assert steps[1]["id"] == named


def test_noise_models_that_do_not_fit_the_channels_are_refused(
    api: httpx.Client, image_id: str, alone: list[str]
) -> None:
    own = import_model(api, microscope="Scope")["id"]
    foreign = import_model(api, microscope="Other")["id"]
    histogram = api.post(
        "/v1/noise-models/import", params={"microscope": "Scope"}, content=histogram_npy()
    ).json()["id"]
    for kind in (INSTANT, PREDICT):
        spec = {**kind, "image_ids": [image_id]}
        told = refusal(api, {**spec, "noise_model": [own, own]})
        assert told.startswith(f"noise_model: 2 are named for image {image_id} (dyes.ome.tif)")
        assert "3 channels (0 (DAPI), 1 (GFP), 2 (Cy5))" in told
        told = refusal(api, {**spec, "image_ids": [alone[0]], "noise_model": [own, own]})
        assert "which has a single channel" in told
        told = refusal(api, {**spec, "noise_model": [own, None, foreign]})
        assert (
            f"{foreign}, named for channel 2, belongs to the microscope Other, and the images to Scope"
            in told
        )
        assert "nm_missing" in refusal(api, {**spec, "noise_model": [own, "nm_missing", own]}, 404)
    told = refusal(
        api,
        {
            **INSTANT,
            "image_ids": [image_id],
            "noise_model": [own, histogram, None],
            "noise_model_kind": "gmm",
        },
    )
    assert f"{histogram} is of kind histogram, not gmm" in told
    told = refusal(api, {**PREDICT, "image_ids": [image_id], "noise_model": [own, own, own], "channel": 1})
    assert "the job works on a single channel" in told


def test_a_list_of_one_names_the_noise_model_of_an_image_with_a_single_channel(
    api: httpx.Client, alone: list[str]
) -> None:
    noise_model = import_model(api)["id"]
    spec = {"image_ids": [alone[1]], "outputs": ["denoised"]}
    named, listed = (
        result_of(api, run(api, **PREDICT, **spec, noise_model=each), "alone_denoised.tif")
        for each in (noise_model, [noise_model])
    )
    np.testing.assert_array_equal(listed, named)
    plan = api.post("/v1/jobs/preflight", json={**INSTANT, **spec, "noise_model": [noise_model]}).json()[
        "plan"
    ]
    assert noise_model in {step["id"] for step in plan}


@pytest.mark.slow
def test_a_job_that_makes_a_noise_model_may_be_named_for_a_channel_of_a_prediction(
    api: httpx.Client, image_id: str
) -> None:
    fitting = post(api, kind="bootstrap_noise_model", network="pretrained", image_ids=[image_id], channel=0)[
        "id"
    ]
    named = import_model(api, microscope="Scope")["id"]
    job = run(
        api,
        **PREDICT,
        image_ids=[image_id],
        noise_model=[{"job": fitting}, named, named],
        outputs=["denoised"],
    )
    estimates = [each["estimate"] for each in job["result"]["values"]["channels"]]
    assert len(estimates) == CHANNELS
    assert set(estimates) <= {"pretrained", "pretrained_stack"}
    assert api.get(f"/v1/jobs/{fitting}").json()["state"] == "succeeded"
