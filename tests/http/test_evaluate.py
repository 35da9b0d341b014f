"""Scores over HTTP: results of jobs and uploaded images against ground truth."""

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.posted_jobs import TINY, Document, artifact, ended, post, run, upload, wait_until
from tests.support.result_files import files_of_images
from worker.engine.scores.metrics import psnr, ssim

pytestmark = pytest.mark.usefixtures("worker")

SHAPE_YX = (48, 40)


def truth_yx(phase: float) -> np.ndarray:
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]] / 6.0
    return np.asarray(300 + 90 * np.sin(y + phase) * np.cos(x), dtype=np.float32)


def noisy(truth: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 12, truth.shape)
    return np.asarray(np.rint(truth + noise), dtype=np.uint16)


def put(api: httpx.Client, path: Path, planes: np.ndarray, **query: str) -> str:
    tifffile.imwrite(path, planes, photometric="minisblack")
    return upload(api, path, **query)


@pytest.fixture(scope="module")
def truths() -> list[np.ndarray]:
    return [truth_yx(0.0), truth_yx(1.0)]


@pytest.fixture(scope="module")
def truth_ids(
    api: httpx.Client, truths: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    folder = tmp_path_factory.mktemp("truths")
    return [
        put(api, folder / f"truth_{number}.tif", truth, role="ground_truth")
        for number, truth in enumerate(truths)
    ]


@pytest.fixture(scope="module")
def noisy_ids(
    api: httpx.Client, truths: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    folder = tmp_path_factory.mktemp("noisy")
    return [
        put(api, folder / f"cells_{number}.tif", noisy(truth, seed=number))
        for number, truth in enumerate(truths)
    ]


def test_a_job_is_scored_beside_the_noisy_images(
    api: httpx.Client, truths: list[np.ndarray], truth_ids: list[str], noisy_ids: list[str]
) -> None:
    training = post(api, kind="train", method="n2v", image_ids=noisy_ids, budget={**TINY, "steps": 60})
    prediction = post(api, kind="predict", image_ids=noisy_ids, network={"job": training["id"]})
    # Posted before the result exists: the evaluation waits for it.
    evaluation = post(
        api,
        kind="evaluate",
        ground_truth_ids=truth_ids,
        candidates=[
            {"name": "noisy", "runs": [{"image_ids": noisy_ids}]},
            {"name": "N2V", "runs": [{"job": prediction["id"]}, {"job": prediction["id"]}]},
        ],
    )
    job = wait_until(api, evaluation["id"], ended)
    assert job["state"] == "succeeded", job["error"]
    raw, n2v = job["result"]["values"]["scores"]
    observations = [noisy(truth, seed=number) for number, truth in enumerate(truths)]
    expected = [psnr(observation, truth) for observation, truth in zip(observations, truths, strict=True)]
    assert raw["psnr_db"]["mean"] == pytest.approx(np.mean(expected))
    assert raw["psnr_db"]["standard_error_over_planes"] == pytest.approx(abs(expected[0] - expected[1]) / 2)
    assert raw["psnr_db"]["standard_error_over_runs"] is None
    assert raw["ssim"]["mean"] == pytest.approx(
        np.mean([ssim(observation, truth) for observation, truth in zip(observations, truths, strict=True)])
    )
    assert (n2v["runs"], n2v["planes"]) == (2, 2)
    assert n2v["psnr_db"]["standard_error_over_runs"] == 0.0
    assert n2v["psnr_db"]["mean"] > raw["psnr_db"]["mean"]

    each = json.loads(artifact(api, job, "scores.json"))
    assert [score["psnr_db"] for score in each[0]["scores"][0]] == pytest.approx(expected)
    table = artifact(api, job, "scores.md").decode().splitlines()
    assert table[2].startswith(f"| noisy | {np.mean(expected):.2f} ± ")
    predicted = api.get(f"/v1/jobs/{prediction['id']}").json()
    assert [(made["image_id"], made["output"]) for made in files_of_images(predicted)] == [
        (image_id, "denoised") for image_id in noisy_ids
    ]


def test_planes_of_a_stack_are_scored_against_one_truth_or_their_own(
    api: httpx.Client, truths: list[np.ndarray], truth_ids: list[str], tmp_path: Path
) -> None:
    stack = np.stack([noisy(truths[0], seed=number) for number in range(3)])
    stack_id = put(api, tmp_path / "stack.tif", stack)
    own_truth_id = put(api, tmp_path / "truth.tif", np.stack([truths[0]] * 3), role="ground_truth")
    results = [
        run(
            api,
            kind="evaluate",
            ground_truth_ids=[truth_id],
            candidates=[{"name": "stack", "runs": [{"image_ids": [stack_id]}]}],
        )["result"]["values"]["scores"]
        for truth_id in (truth_ids[0], own_truth_id)
    ]
    assert results[0] == results[1]
    assert results[0][0]["planes"] == 3
    assert results[0][0]["psnr_db"]["mean"] == pytest.approx(
        np.mean([psnr(plane_yx, truths[0]) for plane_yx in stack])
    )


def test_movies_are_scored_in_time_too(api: httpx.Client, tmp_path: Path) -> None:
    light = 1 + 0.5 * np.sin(np.arange(12) / 2)
    truth_tyx = (truth_yx(0.0) * light[:, None, None]).astype(np.float32)
    noise_tyx = np.random.default_rng(4).normal(0, 12, truth_tyx.shape).astype(np.float32)
    files = {"truth": truth_tyx, "movie": truth_tyx + noise_tyx, "darker": truth_tyx + noise_tyx - 30}
    ids = {}
    for name, values in files.items():
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, values, imagej=True, metadata={"axes": "TYX"})
        ids[name] = upload(api, path, role="ground_truth" if name == "truth" else "data")
    candidates = [{"name": name, "runs": [{"image_ids": [ids[name]]}]} for name in ("movie", "darker")]
    job = run(api, kind="evaluate", ground_truth_ids=[ids["truth"]], candidates=candidates)
    movie, darker = job["result"]["values"]["scores"]
    expected_db = 10 * np.log10(truth_tyx.var(axis=0).mean() / noise_tyx.var(axis=0).mean())
    for row in (movie, darker):
        assert row["trace_snr_db"]["mean"] == pytest.approx(expected_db, abs=0.01)
    assert darker["psnr_db"]["mean"] < movie["psnr_db"]["mean"]
    assert f"{expected_db:.2f}" in artifact(api, job, "scores.md").decode()


def test_an_output_that_a_network_does_not_give_fails_with_a_reason(
    api: httpx.Client, truth_ids: list[str], noisy_ids: list[str]
) -> None:
    training = run(api, kind="train", method="n2v", image_ids=noisy_ids, budget=TINY)
    network = training["result"]["values"]["network_id"]
    prediction = post(api, kind="predict", image_ids=noisy_ids, network=network, outputs=["denoised", "mmse"])
    spec = {
        "kind": "evaluate",
        "ground_truth_ids": truth_ids,
        "candidates": [{"name": "PN2V", "runs": [{"job": prediction["id"], "output": "mmse"}]}],
    }
    job = wait_until(api, post(api, **spec)["id"], ended)
    assert (job["state"], job["error"]["code"]) == ("failed", "job-failed")
    assert "no mmse" in job["error"]["detail"]
    for output, word in [("prior_mean", "makes no prior_mean"), ("posterior_std", "output")]:
        other = {"name": "PN2V", "runs": [{"job": prediction["id"], "output": output}]}
        refused = api.post("/v1/jobs", json={**spec, "candidates": [other]})
        assert refused.status_code == 422
        assert word in refused.json()["detail"]
    no_results = {"name": "PN2V", "runs": [{"job": training["id"]}]}
    refused = api.post("/v1/jobs", json={**spec, "candidates": [no_results]})
    assert refused.status_code == 422
    assert "of kind train" in refused.json()["detail"]


def test_ground_truth_with_missing_pixels_fails_with_a_reason(
    api: httpx.Client, tmp_path: Path, noisy_ids: list[str]
) -> None:
    content = truth_yx(0.0)
    content[0, 0] = np.nan
    torn_id = put(api, tmp_path / "torn.tif", content, role="ground_truth")
    spec = {"candidates": [{"name": "raw", "runs": [{"image_ids": noisy_ids[:1]}]}]}
    job = wait_until(api, post(api, kind="evaluate", ground_truth_ids=[torn_id], **spec)["id"], ended)
    assert (job["state"], job["error"]["code"]) == ("failed", "score-impossible")
    assert "cells_0.tif, plane 1, against torn.tif: the reference" in job["error"]["detail"]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"ground_truth_ids": ["{noisy}"]}, 422, "role=ground_truth"),
        ({"ground_truth_ids": ["{truth}", "{truth}"]}, 422, "1 images and there is ground truth for 2"),
        ({"ground_truth_ids": ["img_none"]}, 404, "img_none"),
        ({"ground_truth_ids": ["{wide}"]}, 422, "80 x 96"),
        ({"candidates": []}, 422, "candidates"),
        ({"candidates": [{"name": "a", "runs": []}]}, 422, "runs"),
        ({"candidates": [{"name": "a|b", "runs": [{"image_ids": ["{noisy}"]}]}]}, 422, "name"),
        ({"candidates": [{"name": "a", "runs": [{"image_ids": ["{noisy}"]}]}] * 2}, 422, "same name"),
        ({"candidates": [{"name": "a", "runs": [{"image_ids": ["img_none"]}]}]}, 404, "img_none"),
        ({"candidates": [{"name": "a", "runs": [{"job": "job_none"}]}]}, 404, "job_none"),
    ],
)
def test_images_that_cannot_be_compared_are_refused(
    api: httpx.Client,
    truth_ids: list[str],
    noisy_ids: list[str],
    noisy_tiff: Path,
    change: dict[str, Any],
    status: int,
    words: str,
) -> None:
    spec: Document = {
        "kind": "evaluate",
        "ground_truth_ids": ["{truth}"],
        "candidates": [{"name": "raw", "runs": [{"image_ids": ["{noisy}"]}]}],
        **change,
    }
    body = json.dumps(spec).replace("{truth}", truth_ids[0]).replace("{noisy}", noisy_ids[0])
    if "{wide}" in body:
        body = body.replace("{wide}", upload(api, noisy_tiff, role="ground_truth"))
    refused = api.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == status
    assert words in refused.json()["detail"]
