"""Preflight tells how long a job will take, once a job of its kind has run."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.posted_jobs import Document, run, upload

pytestmark = pytest.mark.usefixtures("worker")


def expected_time(api: httpx.Client, **spec: Any) -> Document | None:
    answer = api.post("/v1/jobs/preflight", json=spec)
    answer.raise_for_status()
    found: Document | None = answer.json()["expected_time"]
    return found


def test_jobs_of_the_same_preset_and_steps_tell_it(api: httpx.Client, noisy_tiff: Path) -> None:
    image_ids = [upload(api, noisy_tiff)]
    assert expected_time(api, kind="denoise", image_ids=image_ids, preset="instant") is None
    job = run(api, kind="denoise", image_ids=image_ids, preset="instant", seed=3)
    told = expected_time(api, kind="denoise", image_ids=[upload(api, noisy_tiff)], preset="instant")
    assert told is not None
    assert told["jobs"] == 1
    assert 0 < told["shortest_s"] == told["longest_s"]
    assert job["state"] == "succeeded"
    assert expected_time(api, kind="denoise", image_ids=image_ids, preset="fast") is None
    assert expected_time(api, kind="train", image_ids=image_ids, method="n2v") is None
