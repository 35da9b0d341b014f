"""Predictions that are divided into parts, over HTTP."""

import io
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
import torch
from rich.console import Console

from app.commands.progress import STAGE_TITLES, show_job, stage_bars
from clearscope_client import Job, Progress
from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application
from tests.support.posted_jobs import TINY, Document, artifact, ended, post, run, upload, wait_until
from tests.support.result_files import digests, files_of_images
from worker.engine.devices.precision import has_bfloat16

pytestmark = pytest.mark.usefixtures("worker")

PLANES, HEIGHT_PX, WIDTH_PX = 12, 40, 32
PART_PIXELS = 3 * HEIGHT_PX * WIDTH_PX
SWEEP_PATIENCE_S = 60.0
OFTEN: dict[str, Any] = {"sweep_interval_s": 0.1}
STACK: Document = {"photometric": "minisblack", "metadata": {"axes": "ZYX"}}
OUTPUTS = ["denoised", "prior_mean", "mmse", "posterior_std"]


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Application]:
    """Application that divides small predictions."""
    folder = tmp_path_factory.mktemp("divided") / "data"
    application = Application(folder, isolation, part_pixels=PART_PIXELS, **OFTEN)
    yield application
    application.close()


@pytest.fixture
def undivided(tmp_path: Path, isolation: Isolation) -> Iterator[httpx.Client]:
    """Application that does not divide them."""
    application = Application(tmp_path / "undivided", isolation)
    with application.client() as client, application.worker():
        yield client
    application.close()


@pytest.fixture
def short_retention(tmp_path: Path, isolation: Isolation) -> Iterator[Application]:
    """Application that divides, and keeps planes for a retry only briefly."""
    application = Application(
        tmp_path / "short_retention", isolation, part_pixels=PART_PIXELS, checkpoints_kept_s=0.001, **OFTEN
    )
    with application.worker():
        yield application
    application.close()


@pytest.fixture(scope="module")
def stack_tiff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "stack.tif"
    _write_stack(path, PLANES)
    return path


@pytest.fixture(scope="module")
def network_id(api: httpx.Client, stack_tiff: Path) -> str:
    """Id of an N2V network."""
    image_ids = [upload(api, stack_tiff)]
    trained = run(api, kind="train", image_ids=image_ids, method="n2v", budget=TINY)
    found: str = trained["result"]["values"]["network_id"]
    return found


def _write_stack(path: Path, planes: int) -> None:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX] / 6.0
    signal = [40 + 20 * np.sin(y + plane / 5) * np.cos(x) for plane in range(planes)]
    tifffile.imwrite(path, (100 + 2 * rng.poisson(signal)).astype(np.uint16), **STACK)


def _prediction(job: Document) -> Document:
    found: Document = job["stages"][-1]
    assert found["stage"] == "predict"
    return found


def _claims(api: httpx.Client, job: Document) -> Counter[str]:
    events = api.get(f"/v1/jobs/{job['id']}/events", params={"limit": 1000}).json()
    return Counter(event["job_id"] for event in events if event["kind"] == "claimed")


def _kept_planes(application: Application, parts: Iterable[str]) -> list[Path]:
    folders = [application.settings.data_dir / "blobs" / "jobs" / part for part in parts]
    return [path for folder in folders for path in folder.rglob("planes/**/*") if path.is_file()]


def test_a_divided_prediction_gives_the_same_files_as_an_undivided_one(
    api: httpx.Client, undivided: httpx.Client, stack_tiff: Path, tmp_path: Path
) -> None:
    _write_stack(tmp_path / "small.tif", 3)
    spec = {"kind": "denoise", "budget": TINY, "outputs": OUTPUTS, "seed": 5}
    spec["image_ids"] = [upload(api, path) for path in (stack_tiff, tmp_path / "small.tif")]
    plan = api.post("/v1/jobs/preflight", json=spec).json()["plan"]
    assert [step["parts"] for step in plan] == [1, 1, 1, 1, 6]
    assert "15 planes" in plan[-1]["why"]

    queued = post(api, **spec)
    assert queued["plan"] == plan
    stages = ["n2v", "noise_model", "pn2v", "distil", "predict"]
    assert [stage["stage"] for stage in queued["stages"]] == stages
    assert _prediction(queued)["parts"] == {"done": 0, "total": 6}
    seen: list[float] = []
    log = io.StringIO()
    with stage_bars(Console(file=log, width=200)) as show:
        show_stages = show_job(show)

        def record_until_ended(job: Document) -> bool:
            seen.append(job["progress"])
            show_stages(Progress("predict", job["progress"], Job.model_validate(job)))
            return ended(job)

        divided = wait_until(api, queued["id"], record_until_ended)
    shown = log.getvalue().splitlines()
    assert [line for line in shown if line.startswith("Prediction: 100 %")] == ["Prediction: 100 %, done"]
    assert {line.partition(":")[0] for line in shown} <= set(STAGE_TITLES.values())

    assert divided["state"] == "succeeded", divided["error"]
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    prediction = _prediction(divided)
    assert (prediction["state"], prediction["progress"], prediction["kind"]) == ("succeeded", 1.0, "predict")
    assert prediction["parts"] == {"done": 6, "total": 6}

    spec["image_ids"] = [upload(undivided, path) for path in (stack_tiff, tmp_path / "small.tif")]
    whole = run(undivided, **spec)
    assert _prediction(whole)["parts"] is None
    assert digests(api, divided) == digests(undivided, whole)
    assert len(files_of_images(divided)) == 2 * len(OUTPUTS)
    values, values_of_whole = divided["result"]["values"], whole["result"]["values"]
    assert values.keys() == values_of_whole.keys()
    assert [each["removed_noise"]["planes"] for each in (values, values_of_whole)] == [15, 15]
    for name in ("estimate", "reason", "estimated_mse_adu2", "precision"):
        assert values[name] == values_of_whole[name]


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "estimate"), [("instant", "pretrained_stack"), ("fast", "distilled")])
def test_planes_with_neighbours_are_divided_too(
    api: httpx.Client, undivided: httpx.Client, stack_tiff: Path, preset: str, estimate: str
) -> None:
    results, reports, previews = [], [], set()
    for client, parts in ((api, 4), (undivided, 1)):
        spec = {"kind": "denoise", "image_ids": [upload(client, stack_tiff)], "preset": preset}
        job = run(client, **spec)
        assert job["plan"][-1]["parts"] == parts
        # Neighbours beyond a part's ends are read from the whole stack.
        values = job["result"]["values"]
        assert values["estimate"] == estimate, values["reason"]
        assert "estimate with neighbouring planes" in values["reason"]
        names = [each["name"] for each in files_of_images(job)]
        results.append({name: artifact(client, job, name) for name in names})
        reports.append(_without_ids(json.loads(artifact(client, job, "trust-report.json"))))
        assert "figures_of_part" not in values
        precision = "bfloat16" if has_bfloat16(torch.device("cpu")) else "float32"
        assert values["precision"] == [precision]
        previews.add(artifact(client, job, "trust-preview.png"))
    divided, whole = results
    assert divided.keys() == whole.keys()
    for name, content in divided.items():
        one, other = (tifffile.imread(io.BytesIO(file)) for file in (content, whole[name]))
        np.testing.assert_array_equal(one, other)
    assert reports[0] == reports[1]
    assert len(previews) == 1


def _without_ids(report: Document) -> Document:
    """Return a trust report without ids of the run, and figures to six digits: sums differ in their order."""
    for channel in report["channels"]:
        del channel["noise_model"]["id"]
    return json.loads(json.dumps(report), parse_float=lambda text: float(f"{float(text):.6g}"))  # type: ignore[no-any-return]


def test_a_posted_prediction_is_divided_too(
    api: httpx.Client, application: Application, network_id: str, stack_tiff: Path
) -> None:
    image_id = upload(api, stack_tiff)
    spec = {"kind": "predict", "image_ids": [image_id], "network": network_id, "output_dtype": "same"}
    plan = api.post("/v1/jobs/preflight", json=spec).json()["plan"]
    assert [(step["stage"], step["parts"]) for step in plan] == [("predict", 4)]
    job = run(api, **spec)
    assert [stage["stage"] for stage in job["stages"]] == ["predict"]
    assert job["result"]["values"]["estimate"] == "n2v"
    assert [each["name"] for each in files_of_images(job)] == ["stack_denoised.tif"]
    content = api.get(job["result"]["artifacts"][0]["href"]).content
    denoised = tifffile.imread(io.BytesIO(content))
    assert denoised.shape == (PLANES, HEIGHT_PX, WIDTH_PX)
    assert denoised.dtype == np.uint16
    assert set(_claims(api, job).values()) == {1}
    assert len(_claims(api, job)) == 6
    candidates = [{"name": "N2V", "runs": [{"job": job["id"]}]}]
    truth_id = upload(api, stack_tiff, role="ground_truth")
    scored = run(api, kind="evaluate", ground_truth_ids=[truth_id], candidates=candidates)
    assert scored["result"]["values"]["scores"][0]["planes"] == PLANES
    _wait_until_no_planes_are_kept(application, _claims(api, job))


def test_kinds_that_only_the_planner_creates_cannot_be_posted(
    api: httpx.Client, network_id: str, stack_tiff: Path
) -> None:
    common = {"image_ids": [upload(api, stack_tiff)], "network": network_id}
    specs: list[tuple[str, Document]] = [
        ("choose_estimate", {"refit_noise_model": False, "seed": 0}),
        (
            "predict_part",
            {"first_plane": 0, "planes": 1, "outputs": ["denoised"], "choice": {"job": "job_1"}},
        ),
        ("assemble", {"parts": [{"job": "job_1"}], "output_dtype": "same"}),
    ]
    for kind, more in specs:
        response = api.post("/v1/jobs", json={"kind": kind, **common, **more})
        assert response.status_code == 422
        assert "denoise" in response.json()["detail"]


def test_a_broken_plane_fails_the_job_before_parts_are_computed(
    api: httpx.Client, network_id: str, stack_tiff: Path, tmp_path: Path
) -> None:
    path = tmp_path / "broken.tif"
    tifffile.imwrite(path, tifffile.imread(stack_tiff), compression="zlib", **STACK)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[10]
        offset, size_bytes = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[offset : offset + size_bytes] = b"x" * size_bytes
    path.write_bytes(content)
    spec = {"kind": "predict", "image_ids": [upload(api, path)], "network": network_id}
    failed = wait_until(api, post(api, **spec)["id"], ended)
    assert (failed["state"], failed["error"]["code"]) == ("failed", "image-corrupt")
    assert failed["error"]["stage"] == "predict"
    assert "plane 11 cannot be decoded" in failed["error"]["detail"]
    prediction = _prediction(failed)
    assert (prediction["state"], prediction["parts"]["total"]) == ("failed", 4)
    # The images are surveyed before any part is computed, and again in a retry.
    again = wait_until(api, api.post(f"/v1/jobs/{failed['id']}/retry").json()["id"], ended)
    assert again["state"] == "failed"
    assert list(_claims(api, again).values()) == [2]


@pytest.mark.slow
def test_a_retry_of_a_cancelled_prediction_computes_only_missing_parts(
    api: httpx.Client, application: Application, network_id: str, tmp_path: Path
) -> None:
    spec = _prediction_of_large_planes(api, network_id, tmp_path)
    job = post(api, **spec)
    underway = wait_until(api, job["id"], lambda job: _prediction(job)["parts"]["done"] >= 1)
    assert underway["state"] == "running"
    assert _prediction(underway)["state"] == "running"
    assert "of 8 parts done" in _prediction(underway)["status"]
    cancelled = api.post(f"/v1/jobs/{job['id']}/cancel").json()
    assert (cancelled["state"], _prediction(cancelled)["state"]) == ("cancelled", "cancelled")
    done = _prediction(cancelled)["parts"]["done"]
    assert 1 <= done < 8
    assert _kept_planes(application, _claims(api, job))
    retried = api.post(f"/v1/jobs/{job['id']}/retry").json()
    assert _prediction(retried)["parts"]["done"] == done
    finished = wait_until(api, job["id"], ended)
    assert finished["state"] == "succeeded", finished["error"]
    claims = _claims(api, finished)
    assert len(claims) == 10
    assert sum(count == 2 for count in claims.values()) <= 1
    assert digests(api, finished) == digests(api, run(api, **spec))
    _wait_until_no_planes_are_kept(application, claims)


@pytest.mark.slow
def test_parts_that_were_deleted_are_computed_again(
    short_retention: Application, stack_tiff: Path, tmp_path: Path
) -> None:
    with short_retention.client() as api:
        image_ids = [upload(api, stack_tiff)]
        trained = run(api, kind="train", image_ids=image_ids, method="n2v", budget=TINY)
        spec = _prediction_of_large_planes(api, trained["result"]["values"]["network_id"], tmp_path)
        job = post(api, **spec)
        wait_until(api, job["id"], lambda job: _prediction(job)["parts"]["done"] >= 1)
        api.post(f"/v1/jobs/{job['id']}/cancel")
        wait_until(api, job["id"], lambda job: _prediction(job)["parts"]["done"] == 0)
        _wait_until_no_planes_are_kept(short_retention, _claims(api, job))
        api.post(f"/v1/jobs/{job['id']}/retry")
        finished = wait_until(api, job["id"], ended)
        assert finished["state"] == "succeeded", finished["error"]


def _prediction_of_large_planes(api: httpx.Client, network_id: str, folder: Path) -> Document:
    """Post a prediction of eight large planes, each of them one part."""
    path = folder / "large.tif"
    rng = np.random.default_rng(4)
    tifffile.imwrite(path, rng.poisson(60, (8, 256, 256)).astype(np.uint16), **STACK)
    return {"kind": "predict", "image_ids": [upload(api, path)], "network": network_id}


def _wait_until_no_planes_are_kept(application: Application, parts: Iterable[str]) -> None:
    deadline_s = time.monotonic() + SWEEP_PATIENCE_S
    while kept := _kept_planes(application, parts):
        assert time.monotonic() < deadline_s, kept
        time.sleep(0.1)
