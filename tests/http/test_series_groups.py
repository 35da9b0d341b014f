"""Jobs on a file whose images were not recorded alike: each kind has models and figures of its own."""

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from app.commands.result_lines import result_lines
from clearscope_client import Job, NoiseModel
from tests.support.answers import problem
from tests.support.lif_files import LifImage, write_lif
from tests.support.posted_jobs import Document, post, run, upload
from tests.support.result_files import files_of_images

STEP_UM = {"X": 0.1, "Y": 0.1}


def scan(name: str, seed: int, gain: int = 1, channels: int = 1) -> LifImage:
    y, x = np.mgrid[:48, :64] / 9
    photons = np.broadcast_to(60 + 30 * np.sin(y) * np.cos(x), (channels, 48, 64)) / gain
    pixels = (gain * np.random.default_rng(seed).poisson(photons)).astype(np.uint16)
    if channels == 1:
        return LifImage(name, "YX", pixels[0], STEP_UM)
    return LifImage(name, "CYX", pixels, STEP_UM, [f"Dye {number}" for number in range(channels)])


@pytest.fixture(scope="module")
def uploaded(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Document:
    scans = [scan("a", 0), scan("two", 1, channels=2), scan("bright", 2, gain=9), scan("b", 3)]
    path = write_lif(tmp_path_factory.mktemp("scans") / "scans.lif", scans)
    document: Document = api.get(f"/v1/images/{upload(api, path)}").json()
    return document


def image_ids(uploaded: Document, *numbers: int) -> list[str]:
    return [uploaded["series"][number]["image_id"] for number in numbers]


@pytest.mark.usefixtures("worker")
def test_images_of_each_kind_have_models_and_figures_of_their_own(
    api: httpx.Client, uploaded: Document
) -> None:
    job = run(api, kind="denoise", image_ids=[uploaded["id"]], preset="instant", outputs=["denoised"])
    groups = job["result"]["values"]["groups"]
    kinds = [image_ids(uploaded, *numbers) for numbers in ((0, 3), (1,), (2,))]
    assert [group["image_ids"] for group in groups] == kinds
    assert [len(group.get("channels", [group])) for group in groups] == [1, 2, 1]
    assert len({group["noise_model_id"] for group in (groups[0], groups[2])}) == 2
    assert {each["image_id"] for each in files_of_images(job)} == set(image_ids(uploaded, 0, 1, 2, 3))
    _are_told_apart(api, job)
    assert [step["series"] for step in job["plan"] if step["stage"] == "predict"] == [[0, 3], [1], [1], [2]]

    def noise_model(noise_model_id: str) -> NoiseModel:
        return NoiseModel.model_validate(api.get(f"/v1/noise-models/{noise_model_id}").json())

    told_of = result_lines(Job.model_validate(job), noise_model)
    lines = [text for title, text in told_of if title == "estimate"]
    told = [text.partition(": pretrained")[0] for text in lines]
    dyes = [f"series 1: channel {number} of 2 (Dye {number - 1})" for number in (1, 2)]
    assert told == ["series 0, 3", *dyes, "series 2"]
    made = {"job": job["id"]}
    for named, word in (
        ({"network": made}, "network"),
        ({"network": "pretrained", "noise_model": made}, "noise model"),
    ):
        spec = {"kind": "predict", "image_ids": image_ids(uploaded, 0), **named}
        refused = problem(api.post("/v1/jobs", json=spec), 422, "invalid-request")
        assert f"makes a {word} for each kind of its images" in refused
        assert "in groups of its result" in refused


def _are_told_apart(api: httpx.Client, job: Document) -> None:
    """Check that each file tells what it is about, and is downloaded by a name of its own."""
    files = job["result"]["artifacts"]
    assert len({each["download_name"] for each in files}) == len(files)
    reports = {each["group"]: each for each in files if each["name"] == "trust-report.json"}
    names = [[series["name"] for series in reports[group]["series"]] for group in range(3)]
    assert names == [["experiment/a", "experiment/b"], ["experiment/two"], ["experiment/bright"]]
    for group, report in reports.items():
        answer = api.get(report["href"])
        name = f"trust-report_group{group}.json"
        assert (report["download_name"], name in answer.headers["content-disposition"]) == (name, True)
        channels = 2 if group == 1 else 1
        assert len(answer.json()["channels"]) == channels
    for crate in (each for each in files if each["name"] == "ro-crate-metadata.json"):
        root = next(each for each in api.get(crate["href"]).json()["@graph"] if each["@id"] == "./")
        of_group = {each["download_name"] for each in files if each["group"] == crate["group"]}
        assert {each["@id"] for each in root["hasPart"]} == of_group - {crate["download_name"]}
    of_images = [each for each in files if each["image_id"] is not None]
    assert sorted((each["group"], each["series"][0]["index"]) for each in of_images) == [
        *((0, 0), (0, 3)),
        *((1, 1), (2, 2)),
    ]
    page = api.get(f"/results/{job['id']}").text
    for text in ("series 0, 3", "series 1", "series 2", "trust-report_group2.json"):
        assert text in page


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "denoise"},
        {"kind": "denoise", "preset": "fast"},
        {"kind": "predict", "network": "pretrained"},
    ],
)
def test_every_image_is_planned_once(api: httpx.Client, uploaded: Document, fields: dict[str, Any]) -> None:
    job = post(api, **fields, image_ids=[uploaded["id"]])
    predicted = [step["series"] for step in job["plan"] if step["stage"] == "predict"]
    assert predicted == [[0, 3], [1], [1], [2]]
    assert sum(stage["stage"] == "predict" for stage in job["stages"]) >= len(predicted)
    assert api.post(f"/v1/jobs/{job['id']}/cancel").is_success


def test_what_is_made_once_is_made_of_images_with_the_same_channels(
    api: httpx.Client, uploaded: Document
) -> None:
    spec = {"kind": "train", "method": "n2v", "image_ids": [uploaded["id"]]}
    refused = problem(api.post("/v1/jobs", json=spec), 422, "invalid-request")
    assert f"image {image_ids(uploaded, 1)[0]} (scans.lif, series 1) has 2" in refused
    job = post(api, **spec, series=[0, 3])
    assert api.post(f"/v1/jobs/{job['id']}/cancel").is_success


def test_results_of_two_files_keep_their_names_apart(
    api: httpx.Client, uploaded: Document, tmp_path: Path
) -> None:
    other = upload(api, write_lif(tmp_path / "scans.lif", [scan("c", 4), scan("d", 5)]))
    spec = {"kind": "denoise", "image_ids": [uploaded["id"], other]}
    refused = problem(api.post("/v1/jobs", json=spec), 422, "invalid-request")
    assert "2 files are named scans.lif and hold a series 0" in refused
