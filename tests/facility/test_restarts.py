"""Jobs whose server or child process ends before they do."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import tifffile

from tests.support.posted_jobs import LONG, TINY, Document, artifact, ended, post, run, upload, wait_until
from tests.support.server_process import ServerProcess


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Server that a test may kill and start again."""
    process = ServerProcess(tmp_path_factory.mktemp("restarts") / "data", lease_s="3", sweep_interval_s="1")
    process.start()
    yield process
    process.stop()


@pytest.mark.slow
def test_a_killed_server_continues_from_the_checkpoint(own_server: ServerProcess, noisy_tiff: Path) -> None:
    budget = {**TINY, "steps": 150}
    with httpx.Client(base_url=own_server.url, timeout=30) as api:
        image_id = upload(api, noisy_tiff)
        job_id = post(api, kind="train", image_ids=[image_id], method="n2v", budget=budget)["id"]
        wait_until(api, job_id, lambda job: job["progress"] > 0.4)
        own_server.kill()
        own_server.start()
        resumed = wait_until(api, job_id, lambda job: job["attempt"] == 2 and job["progress"] > 0.05)
        assert resumed["progress"] > 0.33
        job = wait_until(api, job_id, ended)
        assert job["state"] == "succeeded", job["error"]
        uninterrupted = run(api, kind="train", image_ids=[image_id], method="n2v", budget=budget)
        networks = [
            api.get(f"/v1/networks/{each['result']['values']['network_id']}").json()
            for each in (job, uninterrupted)
        ]
        assert networks[0]["sha256"] == networks[1]["sha256"]


def test_a_stopped_server_hands_its_job_back(own_server: ServerProcess, noisy_tiff: Path) -> None:
    with httpx.Client(base_url=own_server.url, timeout=30) as api:
        job_id = post(api, kind="train", image_ids=[upload(api, noisy_tiff)], method="n2v", budget=LONG)["id"]
        wait_until(api, job_id, lambda job: job["progress"] > 0)
        own_server.stop()
        own_server.start()
        wait_until(api, job_id, lambda job: job["state"] == "running" and job["attempt"] == 2)
        events = api.get(f"/v1/jobs/{job_id}/events").json()
        requeued = next(event for event in events if event["kind"] == "requeued")
        assert "stopped" in requeued["detail"]["reason"]
        api.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()


def test_a_child_that_keeps_dying_fails_its_job(own_server: ServerProcess, noisy_tiff: Path) -> None:
    with httpx.Client(base_url=own_server.url, timeout=30) as api:
        job_id = post(api, kind="train", image_ids=[upload(api, noisy_tiff)], method="n2v", budget=LONG)["id"]
        for attempt in (1, 2, 3):
            wait_until(
                api,
                job_id,
                lambda job, n=attempt: job["attempt"] == n and job["progress"] > 0,  # type: ignore[misc]  # a loop variable bound early
            )
            for process in own_server.computing_processes():
                process.kill()
        job = wait_until(api, job_id, ended)
        assert (job["state"], job["error"]["code"]) == ("failed", "worker-crashed")


def test_frames_that_follow_each_other_are_denoised_by_one_process(
    own_server: ServerProcess, noisy_tiff: Path
) -> None:
    with httpx.Client(base_url=own_server.url, timeout=30) as api:
        frame = {"kind": "denoise", "preset": "instant", "image_ids": [upload(api, noisy_tiff)]}
        first = run(api, **frame)
        frame["noise_model"] = first["result"]["values"]["noise_model_id"]
        (waiting,) = own_server.computing_processes()
        results = [pixels(api, run(api, **frame)), pixels(api, run(api, **frame))]
        assert own_server.computing_processes() == [waiting]

        waiting.kill()
        after_a_kill = run(api, **frame)
        (other,) = own_server.computing_processes()
        assert other != waiting
        assert [stage["attempt"] for stage in after_a_kill["stages"]] == [1]
        assert results == 2 * [pixels(api, after_a_kill)], "whatever the process has done before"

        run(api, kind="train", image_ids=frame["image_ids"], method="n2v", budget=TINY)
        assert own_server.computing_processes() == [], "one that has trained computes nothing else"


def pixels(api: httpx.Client, job: Document) -> list[bytes]:
    names = [each["name"] for each in job["result"]["artifacts"] if each["output"]]
    return [tifffile.imread(io.BytesIO(artifact(api, job, name))).tobytes() for name in names]
