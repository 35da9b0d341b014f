"""Workers that die, hang, resume, stop or have a wrong clock: no job is lost, none runs twice."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from models_store.database.schema import require_current_schema
from models_store.outbound.notices import RUN_JOB, make_celery
from models_store.settings import Settings
from tests.support.databases import opened
from tests.support.posted_jobs import (
    TINY,
    Document,
    claims,
    ended,
    events,
    post,
    post_training,
    step,
    upload,
    wait_for,
    wait_for_success,
    wait_until,
)
from tests.support.services import Postgres, Redis
from tests.support.worker_process import CommandProcess, Facility, clock_ahead
from worker.engine.networks.checkpoint import deserialise

CHECKPOINT_STEPS = 50
LONG = 100_000


@pytest.fixture(scope="module")
def facility(
    tmp_path_factory: pytest.TempPathFactory, postgres_service: Postgres, redis_service: Redis
) -> Iterator[Facility]:
    """Server with a sweeper but without workers, shared by the tests of this module."""
    facility = Facility(
        tmp_path_factory.mktemp("facility"),
        postgres_service.create_database("faults_workers"),
        redis_service.url,
        visibility_timeout_s="2",
    )
    facility.start()
    facility.beat()
    yield facility
    facility.close()


@pytest.fixture(scope="module")
def api(facility: Facility) -> Iterator[httpx.Client]:
    with facility.api() as client:
        yield client


@pytest.fixture
def workers(facility: Facility) -> Iterator[Facility]:
    """The facility, without other workers than those that a test starts; they are killed after the test."""
    facility.kill_workers()
    yield facility
    facility.kill_workers()


@pytest.fixture
def pair(facility: Facility) -> list[CommandProcess]:
    """Two workers for all queues; those that survived the tests before are used again."""
    return facility.live_workers(2)


@pytest.fixture(scope="module")
def image_id(api: httpx.Client, noisy_tiff: Path) -> str:
    return upload(api, noisy_tiff)


def holder(api: httpx.Client, job_id: str, pair: list[CommandProcess]) -> CommandProcess:
    """Return the worker that computes a job."""
    claimed = [event for event in events(api, job_id) if event["kind"] == "claimed"]
    # A worker's name is queues@host:pid-random.
    pid = int(claimed[-1]["detail"]["worker"].rpartition(":")[2].partition("-")[0])
    return next(worker for worker in pair if worker.pid == pid)


def given_up(workers: list[CommandProcess]) -> int:
    """Count the attempts that workers gave up because their job was cancelled or taken over."""
    return sum(worker.output.count("was cancelled or taken over") for worker in workers)


def is_computing(job: Document) -> bool:
    return job["state"] == "running" and step(job) > CHECKPOINT_STEPS


def checkpoint_step(facility: Facility, job_id: str) -> int:
    """Return the training step of a job's newest checkpoint."""
    newest = facility.blob_keys(f"jobs/{job_id}/checkpoints")[-1]
    _, description = deserialise((facility.data_dir / "blobs" / newest).read_bytes())
    return int(description["step"])


def test_another_worker_continues_where_a_killed_one_stopped(
    facility: Facility, pair: list[CommandProcess], api: httpx.Client, image_id: str
) -> None:
    job_id = post_training(api, image_id, 200)
    wait_until(api, job_id, lambda job: step(job) > 2 * CHECKPOINT_STEPS)
    holder(api, job_id, pair).kill()
    done = step(api.get(f"/v1/jobs/{job_id}").json())
    saved = checkpoint_step(facility, job_id)
    assert saved > done - CHECKPOINT_STEPS, "more than one checkpoint interval is repeated"
    steps = set()

    def watched(job: Document) -> bool:
        if job["attempt"] == 2:
            steps.add(step(job))
        return ended(job)

    assert wait_until(api, job_id, watched)["state"] == "succeeded"
    assert min(steps - {0}) > saved, "the second attempt began before the checkpoint"
    assert claims(api, job_id) == [1, 2]


def test_a_stopped_worker_hands_its_job_back(
    pair: list[CommandProcess], api: httpx.Client, image_id: str
) -> None:
    job_id = post_training(api, image_id, LONG)
    wait_until(api, job_id, is_computing)
    assert holder(api, job_id, pair).stop() == 0
    resumed = wait_until(api, job_id, lambda job: job["attempt"] == 2 and step(job) > 0)
    assert step(resumed) > CHECKPOINT_STEPS
    requeued = next(event for event in events(api, job_id) if event["kind"] == "requeued")
    assert "stopped" in requeued["detail"]["reason"]
    api.post(f"/v1/jobs/{job_id}/cancel")


@pytest.mark.slow
@pytest.mark.parametrize("child_goes_on", [True, False])
def test_writes_of_a_worker_that_lost_its_lease_are_fenced_off(
    facility: Facility, pair: list[CommandProcess], api: httpx.Client, image_id: str, *, child_goes_on: bool
) -> None:
    job_id = post_training(api, image_id, 200)
    wait_until(api, job_id, is_computing)
    first = holder(api, job_id, pair)
    if child_goes_on:
        first.freeze()
    else:
        first.freeze_all()
    job = wait_for_success(api, job_id)
    assert job["attempt"] == 2
    if child_goes_on:
        wait_for(
            lambda: facility.blob_keys(f"jobs/{job_id}/attempts/1"), "the first attempt stores a network"
        )
    made = [event for event in events(api, job_id) if event["kind"] == "succeeded"]
    first.thaw_all()
    wait_for(
        lambda: "was cancelled or taken over" in first.output, "the first worker learns that it lost the job"
    )
    wait_for(lambda: not facility.blob_keys(f"jobs/{job_id}/attempts/1"), "what it wrote is deleted")
    assert not facility.blob_keys(f"jobs/{job_id}/checkpoints")
    after = api.get(f"/v1/jobs/{job_id}").json()
    assert after == job
    assert [event for event in events(api, job_id) if event["kind"] == "succeeded"] == made
    network = api.get(f"/v1/networks/{job['result']['values']['network_id']}").json()
    assert api.get(network["content_href"]).is_success
    assert all(worker.is_running for worker in pair)


@pytest.mark.slow
def test_a_job_longer_than_the_visibility_timeout_runs_once(
    pair: list[CommandProcess], api: httpx.Client, image_id: str
) -> None:
    job_id = post_training(api, image_id, LONG)
    wait_until(api, job_id, is_computing)
    nothing = f"{job_id}: not claimed"
    wait_for(lambda: nothing in "".join(each.output for each in pair), "Redis delivers the notice again")
    assert claims(api, job_id) == [1]
    api.post(f"/v1/jobs/{job_id}/cancel")
    assert claims(api, job_id) == [1]


def test_the_same_notice_five_times_at_once_is_one_attempt(
    facility: Facility, pair: list[CommandProcess], api: httpx.Client, image_id: str
) -> None:
    for worker in pair:
        worker.freeze()
    job_id = post_training(api, image_id, 100)
    celery = make_celery(Settings(broker_url=facility.environment["CLEARSCOPE_BROKER_URL"]))
    for _ in range(4):
        celery.send_task(RUN_JOB, args=[job_id], queue="gpu", task_id=job_id)
    for worker in pair:
        worker.thaw()
    wait_for_success(api, job_id)
    nothing = f"{job_id}: not claimed"
    wait_for(lambda: sum(each.output.count(nothing) for each in pair) >= 4, "all five are taken")
    assert claims(api, job_id) == [1]


@pytest.mark.slow
def test_a_job_can_be_cancelled_and_resumed_at_each_stage(
    facility: Facility, pair: list[CommandProcess], api: httpx.Client, image_id: str
) -> None:
    before = given_up(pair)
    job_id = post(api, kind="denoise", image_ids=[image_id], budget=TINY)["id"]
    for position, stage in enumerate(api.get(f"/v1/jobs/{job_id}").json()["stages"]):
        wait_until(api, job_id, lambda job, at=position: job["stages"][at]["state"] == "running")  # type: ignore[misc]  # a loop variable bound early
        cancelled = api.post(f"/v1/jobs/{job_id}/cancel").json()
        assert cancelled["state"] == "cancelled", stage
        wait_for(
            lambda: given_up(pair) == before + position + 1,  # noqa: B023  # called at once
            f"the worker stops computing {stage['stage']}",
        )
        wait_for(
            lambda: not facility.blob_keys(f"jobs/{stage['id']}/attempts"),  # noqa: B023  # called at once
            "what the cancelled attempt wrote is deleted",
        )
        done = [each["state"] for each in cancelled["stages"][:position]]
        assert done == ["succeeded"] * position
        assert api.post(f"/v1/jobs/{job_id}/retry").status_code == 202
    assert len(wait_for_success(api, job_id)["stages"]) == 5


@pytest.mark.slow
def test_workers_whose_clocks_are_wrong_neither_lose_nor_steal_jobs(
    workers: Facility, api: httpx.Client, image_id: str
) -> None:
    right = workers.worker()
    job_id = post_training(api, image_id, LONG)
    wait_until(api, job_id, is_computing)
    sweeper = workers.beat(clock_ahead("+2h"))
    ahead = workers.worker(environment=clock_ahead("+2h"))
    wait_for_success(api, post_training(api, image_id, 60))
    assert right.is_running
    assert ahead.is_running
    assert sweeper.is_running
    assert claims(api, job_id) == [1]
    right.stop()
    behind = workers.worker(environment=clock_ahead("-2h"))
    wait_until(api, job_id, lambda job: job["attempt"] == 2 and step(job) > 0)
    held = api.get(f"/v1/jobs/{job_id}").json()
    time.sleep(2 * 5)  # two leases
    still = api.get(f"/v1/jobs/{job_id}").json()
    assert (still["state"], still["attempt"]) == ("running", 2)
    assert step(still) > step(held)
    assert behind.is_running
    api.post(f"/v1/jobs/{job_id}/cancel")


@pytest.mark.slow
def test_networks_go_to_gpu_workers_and_fits_to_cpu_workers(
    workers: Facility, api: httpx.Client, image_id: str
) -> None:
    workers.worker("gpu")
    job_id = post(api, kind="denoise", image_ids=[image_id], budget=TINY)["id"]
    fit = wait_until(api, job_id, lambda job: job["stages"][0]["state"] == "succeeded")["stages"][1]
    assert (fit["stage"], fit["state"]) == ("noise_model", "queued")
    workers.worker("cpu")
    wait_for_success(api, job_id)
    claimed = [event for event in events(api, job_id) if event["kind"] == "claimed"]
    queues = [event["detail"]["worker"].partition("@")[0] for event in claimed]
    # Before a network is distilled, the same worker fits the noise model again.
    assert queues == ["gpu", "cpu", "gpu", "gpu", "gpu", "gpu"]


@pytest.mark.slow
def test_a_job_that_takes_too_long_fails(workers: Facility, api: httpx.Client, image_id: str) -> None:
    workers.worker(job_time_limit_s="2")
    job = wait_until(api, post_training(api, image_id, LONG), ended)
    assert (job["state"], job["error"]["code"]) == ("failed", "job-timeout")
    assert "2 s" in job["error"]["detail"]


@pytest.mark.slow
def test_a_worker_with_a_broken_gpu_takes_no_job(workers: Facility, api: httpx.Client, image_id: str) -> None:
    wait_for(lambda: readiness(api)["worker"] == "failing", "workers that ended are forgotten")
    broken = workers.worker("gpu", device="cuda")
    job_id = post_training(api, image_id, 12)
    wait_for(lambda: readiness(api)["device"] == "failing", "the worker tells that it sees no GPU")
    readyz = api.get("/readyz")
    assert readyz.status_code == 503
    assert "cuda" in " ".join(readyz.json()["problems"])
    assert api.get(f"/v1/jobs/{job_id}").json()["state"] == "queued"
    broken.stop()
    workers.worker("gpu")
    wait_for_success(api, job_id)
    wait_for(lambda: readiness(api)["device"] == "ok", "the new worker tells that it computes")


def readiness(api: httpx.Client) -> dict[str, str]:
    checks: dict[str, str] = api.get("/readyz").json()["checks"]
    return checks


@pytest.mark.parametrize("command", [["worker", "--queue", "gpu"], ["beat"], ["serve", "--port", "0"]])
def test_nothing_starts_on_a_database_that_is_not_migrated(
    facility: Facility, postgres_service: Postgres, command: list[str]
) -> None:
    url = postgres_service.create_database(f"empty_{command[0]}")
    assert "clearscope migrate" in facility.refused(*command, database_url=url)


def test_of_two_simultaneous_migrations_one_runs(facility: Facility, postgres_service: Postgres) -> None:
    url = postgres_service.create_database("migrated_twice")
    both = [facility.migration(database_url=url) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    with opened(url) as database:
        require_current_schema(database)
