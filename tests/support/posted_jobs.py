"""Posting jobs over HTTP, and waiting for them."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

PATIENCE_S = 240.0
TINY = {"steps": 12, "features": 4, "samples": 16}
LONG = {**TINY, "steps": 100_000}

Document = dict[str, Any]


def upload(api: httpx.Client, path: Path, **query: str) -> str:
    response = api.post("/v1/images", params={"filename": path.name, **query}, content=path.read_bytes())
    assert response.status_code == 201, response.text
    image_id: str = response.json()["id"]
    return image_id


def post(api: httpx.Client, **spec: Any) -> Document:
    response = api.post("/v1/jobs", json=spec)
    assert response.status_code == 202, response.text
    document: Document = response.json()
    assert response.headers["location"] == f"/v1/jobs/{document['id']}"
    return document


def post_training(api: httpx.Client, image_id: str, steps: int) -> str:
    """Post a training that saves a checkpoint every 50 steps; return the job's id."""
    budget = {**TINY, "steps": steps}
    job_id: str = post(api, kind="train", method="n2v", image_ids=[image_id], budget=budget)["id"]
    return job_id


def wait_until(api: httpx.Client, job_id: str, condition: Callable[[Document], bool]) -> Document:
    start_s = time.monotonic()
    while (waited_s := time.monotonic() - start_s) < PATIENCE_S:
        response = api.get(f"/v1/jobs/{job_id}")
        job: Document = response.json()
        if response.is_success and condition(job):
            return job
        # Each answer takes milliseconds of the processor that the job needs: long jobs are polled less often.
        time.sleep(min(max(0.05, waited_s / 20), 0.25))
    pytest.fail(f"the job did not reach the expected state: {job}")


def wait_for(condition: Callable[[], object], event: str) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail(f"did not happen: {event}")
        time.sleep(0.05)


def ended(job: Document) -> bool:
    return job["state"] in {"succeeded", "failed", "cancelled"}


def wait_for_success(api: httpx.Client, job_id: str) -> Document:
    job = wait_until(api, job_id, ended)
    assert job["state"] == "succeeded", job["error"]
    return job


def run(api: httpx.Client, **spec: Any) -> Document:
    """Post a job and wait until it has succeeded."""
    return wait_for_success(api, post(api, **spec)["id"])


def artifact(api: httpx.Client, job: Document, name: str) -> bytes:
    """Download a result file and check its digest and size."""
    found = next(each for each in job["result"]["artifacts"] if each["name"] == name)
    content = api.get(found["href"]).content
    assert hashlib.sha256(content).hexdigest() == found["sha256"]
    assert len(content) == found["size"]
    return content


def step(job: Document) -> int:
    """Return the training step that a job reports; 0 before the first."""
    words = job["status"].split()
    return int(words[1]) if words[:1] == ["step"] else 0


def events(api: httpx.Client, job_id: str) -> list[Document]:
    found: list[Document] = api.get(f"/v1/jobs/{job_id}/events", params={"limit": 1000}).json()
    return found


def claims(api: httpx.Client, job_id: str) -> list[int]:
    """Return the attempts at a job itself, without those at its stages."""
    return [
        event["detail"]["attempt"]
        for event in events(api, job_id)
        if event["kind"] == "claimed" and event["job_id"] == job_id
    ]
