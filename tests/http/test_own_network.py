"""Pretrained networks of a facility: imported for a microscope, they take the packaged one's place."""

import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
import safetensors.numpy
import tifffile

from models_store.clock_and_ids import system_clock
from models_store.contracts.vocabulary import DEFAULT_PRESET
from tests.support.answers import problem
from tests.support.application import Application
from tests.support.posted_jobs import Document, artifact, run, upload
from tests.support.pretrained_files import small_pretrained_network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.noise.measuring.residual_pattern import SpectralPeaks
from worker.engine.training.adaptation import Adaptation
from worker.engine.training.presets import PRESETS
from worker.upkeep.retention import delete_expired

pytestmark = pytest.mark.usefixtures("worker")

NAMES = (f"Scope {number}" for number in itertools.count())


@pytest.fixture
def microscope(api: httpx.Client) -> str:
    """The name of a microscope of its own."""
    name = next(NAMES)
    api.post("/v1/microscopes", json={"name": name}).raise_for_status()
    return name


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    adaptation = Adaptation(steps=2, learning_rate=1e-4)
    monkeypatch.setitem(
        PRESETS, DEFAULT_PRESET, replace(PRESETS[DEFAULT_PRESET], adaptation=adaptation, patch_px=32)
    )


def import_network(api: httpx.Client, seed: int = 0, frames: int = 1, **query: str) -> Document:
    answer = api.post("/v1/networks/import", params=query, content=small_pretrained_network(seed, frames))
    assert answer.status_code == 201, answer.text
    document: Document = answer.json()
    assert answer.headers["location"] == f"/v1/networks/{document['id']}"
    return document


def reasons(api: httpx.Client, **spec: object) -> str:
    answer = api.post("/v1/jobs/preflight", json={"kind": "denoise", **spec})
    assert answer.status_code == 200, answer.text
    return " ".join(step["why"] for step in answer.json()["plan"])


def pixels(api: httpx.Client, job: Document) -> np.ndarray:
    return np.asarray(tifffile.imread(io.BytesIO(artifact(api, job, "noisy_denoised.tif"))))


def test_an_imported_network_is_listed_and_downloaded(api: httpx.Client, microscope: str) -> None:
    network = import_network(api, microscope=microscope)
    assert network["method"] == "pretrained"
    assert network["belongs_to"]["microscope"] == microscope
    assert network["description"]["digest"] == PretrainedNetwork.from_bytes(small_pretrained_network()).digest
    listed = api.get("/v1/networks", params={"microscope": microscope, "method": "pretrained"}).json()
    assert [each["id"] for each in listed] == [network["id"]]
    assert api.get(network["content_href"]).content == small_pretrained_network()


def test_it_takes_the_packaged_networks_place_in_jobs_of_its_microscope(
    api: httpx.Client, microscope: str, noisy_tiff: Path
) -> None:
    image_id = upload(api, noisy_tiff, microscope=microscope)
    packaged = run(api, kind="denoise", image_ids=[image_id], preset="instant")
    network = import_network(api, microscope=microscope)
    own = run(api, kind="denoise", image_ids=[image_id], preset="instant")
    assert any(network["id"] in step["why"] for step in own["plan"])
    # It returns about its input: the packaged one does not.
    observation = tifffile.imread(noisy_tiff).astype(np.float64)
    removed = [float((pixels(api, job) - observation).std()) for job in (own, packaged)]
    assert removed[0] < 0.3 * removed[1]
    # A job that names it, and one of its microscope that names the packaged one.
    elsewhere = upload(api, noisy_tiff)
    named = run(api, kind="denoise", image_ids=[elsewhere], preset="instant", pretrained=network["id"])
    assert np.array_equal(pixels(api, named), pixels(api, own))
    forced = run(api, kind="denoise", image_ids=[image_id], preset="instant", pretrained="packaged")
    assert np.array_equal(pixels(api, forced), pixels(api, packaged))
    predicted = run(api, kind="predict", image_ids=[elsewhere], network=network["id"])
    assert np.array_equal(pixels(api, predicted), pixels(api, own))


def test_it_is_adapted_to_the_images(
    api: httpx.Client, microscope: str, noisy_tiff: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A network that was hardly trained removes some of the specimen.
    monkeypatch.setattr("worker.jobs.train.pattern_left", lambda *_, **__: SpectralPeaks())
    network = import_network(api, microscope=microscope)
    job = run(api, kind="denoise", image_ids=[upload(api, noisy_tiff, microscope=microscope)])
    values = job["result"]["values"]
    assert set(values["estimated_mse_adu2"]) == {"distilled", "pretrained"}
    adapted = api.get(f"/v1/networks/{values['distilled_network_id']}").json()
    assert adapted["description"]["shape"]["features"] == 4
    assert adapted["recipe"].endswith(f" prior={DEFAULT_PRESET.adaptation_digest}:{network['id']}")
    known = {"image_ids": job["spec"]["image_ids"], "noise_model": values["noise_model_id"]}
    by_itself = {"start": network["id"], "teacher": network["id"]}
    trained = run(api, kind="train", method="distilled", **known, **by_itself)
    again = api.get(f"/v1/networks/{trained['result']['values']['network_id']}").json()
    assert again["sha256"] == adapted["sha256"]
    bootstrapped = run(api, kind="bootstrap_noise_model", image_ids=known["image_ids"], network=network["id"])
    assert bootstrapped["result"]["values"]["noise_model_id"]


def test_the_nearest_and_newest_network_is_taken(
    api: httpx.Client, microscope: str, noisy_tiff: Path
) -> None:
    profile = api.post(f"/v1/microscopes/{microscope}/profiles", json={"name": "60x"}).json()["id"]
    image_id = upload(api, noisy_tiff, profile=profile)
    of_microscope = import_network(api, 0, microscope=microscope)["id"]
    assert of_microscope in reasons(api, image_ids=[image_id])
    of_profile = import_network(api, 1, profile=profile)["id"]
    assert of_profile in reasons(api, image_ids=[image_id])
    import_network(api, 2, microscope=microscope)
    assert of_profile in reasons(api, image_ids=[image_id])
    newest = import_network(api, 3, profile=profile)["id"]
    assert newest in reasons(api, image_ids=[image_id], preset="instant")
    api.delete(f"/v1/networks/{newest}").raise_for_status()
    assert of_profile in reasons(api, image_ids=[image_id])
    # Where networks are trained from nothing, it has no part.
    assert of_profile not in reasons(api, image_ids=[image_id], prior="none")


def test_a_channel_may_have_a_network_of_its_own(
    api: httpx.Client, microscope: str, noisy_tiff: Path, tmp_path: Path
) -> None:
    planes = np.stack([tifffile.imread(noisy_tiff)] * 2)
    path = tmp_path / "channels.ome.tif"
    tifffile.imwrite(path, planes, metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}, ome=True)
    image_id = upload(api, path, microscope=microscope)
    network = import_network(api, microscope=microscope, channel="GFP")["id"]
    job = run(api, kind="denoise", image_ids=[image_id], preset="instant")
    observation = planes[0].astype(np.float64)
    denoised = tifffile.imread(io.BytesIO(artifact(api, job, "channels_denoised.ome.tif")))
    removed = [float((channel_yx - observation).std()) for channel_yx in denoised]
    assert removed[1] < 0.3 * removed[0]
    assert any(network in step["why"] for step in job["plan"])


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """A file of a still movie, whose planes help each other."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] / 6.0
    signal = np.broadcast_to(40 + 20 * np.sin(y) * np.cos(x), (FRAMES, SIDE_PX, SIDE_PX))
    path = tmp_path / "movie.ome.tif"
    observed = (100 + 2 * np.random.default_rng(3).poisson(signal)).astype(np.uint16)
    tifffile.imwrite(path, observed, metadata={"axes": "TYX"}, ome=True)
    return path


FRAMES, SIDE_PX = 5, 64


@pytest.mark.slow
def test_an_own_network_for_stacks_competes_in_place_of_the_packaged_one(
    api: httpx.Client, microscope: str, movie: Path
) -> None:
    def estimated(**fields: object) -> tuple[float, Document]:
        """Return the error of the estimate with neighbours, relative to that of the planes alone."""
        job = run(api, image_ids=[image_id], **({"kind": "denoise", "preset": "instant"} | fields))
        errors = job["result"]["values"]["estimated_mse_adu2"]
        return errors["pretrained_stack"] / errors["pretrained"], job

    image_id = upload(api, movie, microscope=microscope)
    assert estimated()[0] < 1
    network = import_network(api, frames=3, microscope=microscope)
    assert network["method"] == "pretrained_stack"
    # It was hardly trained, so that it returns about its input.
    error, job = estimated()
    assert error > 3
    error_adu2 = job["result"]["values"]["estimated_mse_adu2"]["pretrained_stack"]
    assert network["id"] in job["plan"][-1]["why"]
    crate = json.loads(artifact(api, job, "ro-crate-metadata.json"))
    assert network["sha256"] in json.dumps(crate)
    assert estimated(pretrained_stack="packaged")[0] < 1
    # It stands for the packaged one for stacks alone, and single planes keep theirs.
    assert network["id"] not in reasons(api, image_ids=[image_id], pretrained_stack="packaged")
    assert estimated(pretrained="packaged")[0] > 3
    known = {"network": "pretrained", "pretrained_stack": network["id"]}
    job = run(api, kind="predict", image_ids=[image_id], **known)
    assert job["result"]["values"]["estimated_mse_adu2"]["pretrained_stack"] == pytest.approx(error_adu2)


@pytest.mark.slow
def test_a_network_adapted_to_a_movie_serves_others_and_is_left_out_of_single_planes(
    api: httpx.Client, movie: Path, noisy_tiff: Path
) -> None:
    adapted = run(api, kind="denoise", image_ids=[upload(api, movie)])["result"]["values"]
    known = {"noise_model": adapted["noise_model_id"]}
    network_id = adapted["distilled_network_id"]
    assert "neighbours=" in api.get(f"/v1/networks/{network_id}").json()["recipe"]
    competing = {"kind": "predict", "network": "pretrained", "distilled": network_id, **known}
    with_neighbours = run(api, image_ids=[upload(api, movie)], **competing)["result"]["values"]
    assert "distilled" in with_neighbours["estimated_mse_adu2"]
    single = run(api, image_ids=[upload(api, noisy_tiff)], **competing)["result"]["values"]
    assert "distilled" not in single["estimated_mse_adu2"]
    assert "these have none that help" in single["reason"]
    by_itself = run(api, kind="predict", image_ids=[upload(api, movie)], network=network_id)
    assert by_itself["result"]["values"]["estimate"] == "distilled"


def test_a_network_for_stacks_stands_for_no_other(
    api: httpx.Client, microscope: str, noisy_tiff: Path
) -> None:
    image_ids, own = [upload(api, noisy_tiff)], import_network(api)["id"]
    stack = import_network(api, frames=3, microscope=microscope)["id"]
    trains = {"kind": "train", "image_ids": image_ids, "preset": "fast"}
    for spec, words in (
        ({"kind": "denoise", "image_ids": image_ids, "pretrained": stack}, "pretrained: "),
        ({"kind": "denoise", "image_ids": image_ids, "pretrained_stack": own}, "pretrained_stack: "),
        (
            {"kind": "denoise", "image_ids": image_ids, "pretrained_stack": stack, "prior": "none"},
            "prior none",
        ),
        ({"kind": "predict", "image_ids": image_ids, "network": stack}, "name it as pretrained_stack"),
        ({"kind": "predict", "image_ids": image_ids, "network": own, "pretrained_stack": own}, "method is"),
        ({"kind": "bootstrap_noise_model", "image_ids": image_ids, "network": stack}, "network: "),
        (trains | {"method": "n2v", "start": stack}, "start: "),
        (trains | {"method": "pretrained_stack"}, "clearscope pretrain"),
        (trains | {"method": "n2v", "start": "pretrained", "pretrained_stack": own}, "pretrained_stack: "),
    ):
        refused = api.post("/v1/jobs", json=spec)
        assert refused.status_code == 422, spec
        assert words in refused.text, (spec, refused.text)


def test_it_stays_while_a_job_refers_to_it_and_does_not_expire(
    application: Application, api: httpx.Client, microscope: str, noisy_tiff: Path
) -> None:
    network = import_network(api, microscope=microscope)["id"]
    job = run(
        api, kind="denoise", image_ids=[upload(api, noisy_tiff, microscope=microscope)], preset="instant"
    )
    assert job["id"] in problem(api.delete(f"/v1/networks/{network}"), 409, "conflict")
    api.delete(f"/v1/jobs/{job['id']}").raise_for_status()
    settings = application.settings.model_copy(update={"unused_networks_kept_days": 20.0})
    delete_expired(application.database, application.blobs, settings, system_clock() + timedelta(days=365))
    assert api.get(f"/v1/networks/{network}").status_code == 200
    assert api.get(f"/v1/networks/{network}/content").content == small_pretrained_network()
    assert api.delete(f"/v1/networks/{network}").status_code == 204


def changed(**description: object) -> bytes:
    weights = safetensors.numpy.load(small_pretrained_network())
    provenance = {"format": "clearscope-pretrained-1", "spread": 8.0, "provenance": {}, "shape": SHAPE}
    return safetensors.numpy.save(weights, {"description": json.dumps(provenance | description)})


SHAPE = {"architecture": "unet", "features": 4, "depth": 2, "outputs": 1, "global_skip": True}


def unfit_files() -> Iterator[tuple[bytes, str]]:
    yield b"", "no safetensors file"
    yield b"PK\x03\x04 something else", "no safetensors file"
    yield small_pretrained_network()[:-100], "no safetensors file"
    yield changed(shape=SHAPE | {"frames": 3}), "do not fit a U-Net for planes with 2 neighbours"
    yield changed(shape=SHAPE | {"frames": 2}), "must be odd"
    yield changed(shape=SHAPE | {"frames": 17}), "shape.frames"
    yield changed(format="clearscope-network-2"), "no pretrained network"
    yield changed(shape=SHAPE | {"features": 8}), "of 2 levels with 8 features"
    yield changed(shape=SHAPE | {"depth": 60}), "shape.depth"
    yield changed(spread=0), "spread"
    yield changed(spread=float("nan")), "no JSON"
    yield changed(provenance={"made by": "a\x00b"}), "null character"
    weights = safetensors.numpy.load(small_pretrained_network())
    weights["head.bias"] = np.full_like(weights["head.bias"], np.nan)
    incomplete = {"format": "clearscope-pretrained-1", "spread": 8.0}
    complete = incomplete | {"provenance": {}, "shape": SHAPE}
    for description, words in ((incomplete, "description of the network is invalid"), (complete, "finite")):
        yield safetensors.numpy.save(weights, {"description": json.dumps(description)}), words
    yield safetensors.numpy.save(weights), "no pretrained network"


def test_another_file_is_refused(api: httpx.Client) -> None:
    for content, words in unfit_files():
        refused = api.post("/v1/networks/import", content=content)
        assert words in problem(refused, 422, "network-file-invalid")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"prior": "none"}, "the job says prior none"),
        ({"preset": "paper"}, "never uses the pretrained network"),
        ({"budget": {"steps": 10}}, "budget"),
        ({"outputs": ["mmse"]}, "PN2V's estimates"),
    ],
)
def test_a_job_that_would_not_use_it_is_refused(
    api: httpx.Client, noisy_tiff: Path, wrong: Document, words: str
) -> None:
    spec = {
        "kind": "denoise",
        "image_ids": [upload(api, noisy_tiff)],
        "pretrained": import_network(api)["id"],
    }
    detail = problem(api.post("/v1/jobs", json=spec | wrong), 422, "invalid-request")
    assert detail.startswith("pretrained: ")
    assert words in detail


def test_it_stands_for_no_other_network(api: httpx.Client, noisy_tiff: Path) -> None:
    image_ids, own = [upload(api, noisy_tiff)], import_network(api)["id"]
    noise_model = run(api, kind="bootstrap_noise_model", image_ids=image_ids, network=own)["result"]["values"]
    known = {"image_ids": image_ids, "noise_model": noise_model["noise_model_id"]}
    distilled = run(api, kind="train", method="distilled", **known, start="pretrained", teacher="pretrained")[
        "result"
    ]["values"]["network_id"]
    for spec, words in (
        ({"kind": "train", "method": "n2v", "image_ids": image_ids, "start": own}, "start: "),
        ({"kind": "train", "method": "distilled", **known, "teacher": own}, f"name {own}"),
        ({"kind": "train", "method": "pretrained", "image_ids": image_ids}, "clearscope pretrain"),
        ({"kind": "predict", "image_ids": image_ids, "network": own, "outputs": ["mmse"]}, "outputs: "),
        ({"kind": "predict", "image_ids": image_ids, "network": own, "refit_noise_model": True}, "refit"),
        ({"kind": "predict", **known, "network": own, "compare_with": own}, "compare_with: "),
        ({"kind": "denoise", "image_ids": image_ids, "pretrained": distilled}, "method is distilled"),
    ):
        refused = api.post("/v1/jobs", json=spec)
        assert refused.status_code == 422, spec
        assert words in refused.text, spec
    missing = {"kind": "denoise", "image_ids": image_ids, "pretrained": "net_none"}
    problem(api.post("/v1/jobs", json=missing), 404, "not-found")
