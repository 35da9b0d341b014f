"""Deletion of jobs with their results, networks and noise models, and retention."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError
from sqlalchemy import select

from models_store.clock_and_ids import system_clock
from models_store.database.tables import ApiKey
from models_store.image_files.isolation.client import Isolation
from models_store.settings import Settings
from tests.support.answers import problem
from tests.support.application import Application
from tests.support.databases import network
from tests.support.posted_jobs import LONG, TINY, Document, ended, post, run, upload, wait_for, wait_until
from tests.support.published_files import import_model, npz
from worker.upkeep.retention import delete_expired


@pytest.fixture
def application(tmp_path: Path, isolation: Isolation) -> Iterator[Application]:
    application = Application(tmp_path / "data", isolation)
    with application.worker():
        yield application
    application.close()


@pytest.fixture
def api(application: Application) -> Iterator[httpx.Client]:
    with application.client() as api:
        yield api


def denoised(api: httpx.Client, noisy_tiff: Path, **query: str) -> Document:
    return run(api, kind="denoise", image_ids=[upload(api, noisy_tiff, **query)], budget=TINY)


def refused(api: httpx.Client, path: str, words: str, code: str = "conflict") -> None:
    assert words in problem(api.delete(path), 409, code)
    assert api.get(path).status_code == 200


def deleted(api: httpx.Client, path: str) -> None:
    assert api.delete(path).status_code == 204, path
    problem(api.get(path), 404, "not-found")
    problem(api.delete(path), 404, "not-found")


def ids(api: httpx.Client, collection: str) -> list[str]:
    return [each["id"] for each in api.get(f"/v1/{collection}").json()]


def files(application: Application) -> list[Path]:
    folder = application.settings.data_dir / "blobs"
    return [path for path in folder.rglob("*") if path.is_file()]


def test_everything_that_a_job_made_can_be_deleted_in_order(
    application: Application, api: httpx.Client, noisy_tiff: Path
) -> None:
    job = denoised(api, noisy_tiff)
    path, values = f"/v1/jobs/{job['id']}", job["result"]["values"]
    network, noise_model = (
        f"/v1/networks/{values['network_id']}",
        f"/v1/noise-models/{values['noise_model_id']}",
    )
    refused(api, network, f"job {job['id']} refers to this network")
    refused(api, noise_model, "was trained with this noise model")
    artifact = job["result"]["artifacts"][0]["href"]
    stage = job["stages"][0]["id"]
    assert f"a stage of job {job['id']}" in problem(api.delete(f"/v1/jobs/{stage}"), 409, "conflict")

    deleted(api, path)
    for gone in (artifact, f"{path}/events", f"/v1/jobs/{stage}"):
        problem(api.get(gone), 404, "not-found")
    assert ids(api, "jobs") == []
    refused(api, noise_model, "was trained with this noise model")
    for network_id in ids(api, "networks"):
        deleted(api, f"/v1/networks/{network_id}")
    for noise_model_id in ids(api, "noise-models"):
        deleted(api, f"/v1/noise-models/{noise_model_id}")
    deleted(api, f"/v1/images/{job['spec']['image_ids'][0]}")
    wait_for(lambda: not files(application), "no file is left")


def test_a_running_or_needed_job_cannot_be_deleted(api: httpx.Client, noisy_tiff: Path) -> None:
    image_id = upload(api, noisy_tiff)
    train = {"kind": "train", "method": "n2v", "image_ids": [image_id]}
    computed = post(api, **train, budget=LONG)["id"]
    wait_until(api, computed, lambda job: job["state"] == "running")
    refused(api, f"/v1/jobs/{computed}", "cancel it first", "job-not-ended")
    api.post(f"/v1/jobs/{computed}/cancel").raise_for_status()
    deleted(api, f"/v1/jobs/{computed}")

    trained = run(api, **train, budget=TINY)["id"]
    predicted = run(api, kind="predict", image_ids=[image_id], network={"job": trained})["id"]
    refused(api, f"/v1/jobs/{trained}", f"job {predicted} depends on the result of this one")
    deleted(api, f"/v1/jobs/{predicted}")
    deleted(api, f"/v1/jobs/{trained}")


def test_a_network_that_a_job_names_cannot_be_deleted(api: httpx.Client, noisy_tiff: Path) -> None:
    image_id = upload(api, noisy_tiff)
    trained = run(api, kind="train", method="n2v", image_ids=[image_id], budget=TINY)
    network_id = trained["result"]["values"]["network_id"]
    deleted(api, f"/v1/jobs/{trained['id']}")
    predicted = run(api, kind="predict", image_ids=[image_id], network=network_id)
    refused(api, f"/v1/networks/{network_id}", f"job {predicted['id']} refers to this network")
    deleted(api, f"/v1/jobs/{predicted['id']}")
    deleted(api, f"/v1/networks/{network_id}")
    spec = {"kind": "predict", "image_ids": [image_id], "network": network_id}
    assert network_id in problem(api.post("/v1/jobs", json=spec), 404, "not-found")


def test_the_active_noise_model_is_deleted_last(api: httpx.Client) -> None:
    api.post("/v1/microscopes", json={"name": "scope"}).raise_for_status()
    first, second = (f"/v1/noise-models/{import_model(api, microscope='scope')['id']}" for _ in range(2))
    refused(api, second, "activate one of those first")
    api.post(f"{first}/activate").raise_for_status()
    deleted(api, second)
    deleted(api, first)
    third = import_model(api, microscope="scope")
    assert third["version"] == 3


def test_an_idempotency_key_of_a_deleted_job_can_be_used_again(api: httpx.Client, noisy_tiff: Path) -> None:
    spec = {"kind": "denoise", "image_ids": [upload(api, noisy_tiff)], "budget": TINY}

    def send() -> str:
        answer = api.post("/v1/jobs", json=spec, headers={"Idempotency-Key": "once"})
        return str(answer.json()["id"])

    job_id = send()
    api.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    deleted(api, f"/v1/jobs/{job_id}")
    assert send() != job_id


def test_a_full_account_can_be_emptied_by_its_owner_and_by_nobody_else(
    application: Application, noisy_tiff: Path
) -> None:
    owner_key = application.make_key("owner")
    other, calibrating = (
        application.make_key("other"),
        application.make_key("calibrating", "submit", "calibrate"),
    )
    with (
        application.client(owner_key) as api,
        application.client(other) as stranger,
        application.client(calibrating) as technician,
    ):
        job = denoised(api, noisy_tiff)
        values = job["result"]["values"]
        things = [
            f"/v1/jobs/{job['id']}",
            f"/v1/networks/{values['network_id']}",
            f"/v1/noise-models/{values['noise_model_id']}",
        ]
        for path in things:
            assert "calibrate" in problem(stranger.delete(path), 403, "forbidden")
        _limit_to(application, "owner", 1)
        wait_for(lambda: no_image(api).status_code == 403, "the account is full")
        deleted(api, things[0])
        deleted(api, f"/v1/images/{job['spec']['image_ids'][0]}")
        problem(no_image(api), 403, "storage-quota-exceeded")
        for network_id in ids(api, "networks"):
            deleted(api, f"/v1/networks/{network_id}")
        problem(no_image(api), 403, "storage-quota-exceeded")
        for noise_model_id in ids(api, "noise-models"):
            deleted(api, f"/v1/noise-models/{noise_model_id}")
        problem(no_image(api), 422, "image-corrupt")
        imported = technician.post("/v1/noise-models/import", content=npz()).json()["id"]
        assert "calibrate" in problem(api.delete(f"/v1/noise-models/{imported}"), 403, "forbidden")
        assert technician.delete(f"/v1/noise-models/{imported}").status_code == 204


def no_image(api: httpx.Client) -> httpx.Response:
    return api.post("/v1/images?filename=a.tif", content=b"x")


def _limit_to(application: Application, name: str, stored_bytes: int) -> None:
    with application.database.write() as session:
        key = session.scalars(select(ApiKey).where(ApiKey.name == name)).one()
        key.stored_bytes_limit = stored_bytes


def test_an_import_counts(application: Application) -> None:
    key = application.make_key("importer", "calibrate", stored_bytes=100)
    with application.client(key) as api:
        problem(api.post("/v1/noise-models/import", content=npz()), 403, "storage-quota-exceeded")


def test_without_retention_settings_nothing_is_deleted(
    application: Application, api: httpx.Client, noisy_tiff: Path
) -> None:
    denoised(api, noisy_tiff)
    in_a_century = system_clock() + timedelta(days=36_500)
    delete_expired(application.database, application.blobs, application.settings, in_a_century)
    assert len(ids(api, "jobs")) == 1
    assert len(ids(api, "networks")) == 3


def test_expired_data_is_deleted_and_counted(
    application: Application, api: httpx.Client, noisy_tiff: Path
) -> None:
    job = denoised(api, noisy_tiff)
    spare = run(api, kind="train", method="n2v", image_ids=job["spec"]["image_ids"], budget=TINY)
    kept = {"results_kept_days": 10.0, "unused_networks_kept_days": 20.0, "job_events_kept_days": 5.0}
    noise_models = ids(api, "noise-models")

    def after(days: float, **settings: float) -> None:
        now = system_clock() + timedelta(days=days)
        delete_expired(
            application.database, application.blobs, application.settings.model_copy(update=settings), now
        )

    after(4, **kept)
    assert len(api.get(f"/v1/jobs/{job['id']}/events").json()) > 6
    after(6, **kept)
    assert api.get(f"/v1/jobs/{job['id']}/events").json() == []
    assert api.get(job["result"]["artifacts"][0]["href"]).status_code == 200
    # A network that only an old job used is unused, although the job is kept.
    after(21, unused_networks_kept_days=20.0)
    assert ids(api, "networks") == []
    assert api.get(f"/v1/jobs/{spare['id']}").json()["state"] == "succeeded"
    after(11, **kept)
    assert ids(api, "jobs") == []
    pairs = [path for path in files(application) if path.name == "pixel_pairs.npz"]
    wait_for(lambda: len(files(application)) == 2 + len(pairs), "image, preview and pixel pairs are left")
    assert len(pairs) == len(noise_models) == 2
    after(13, pixel_pairs_kept_days=12.0)
    assert len(files(application)) == 2
    assert ids(api, "noise-models") == noise_models
    metrics = api.get("/metrics").text
    assert 'clearscope_retention_deleted_total{what="jobs"} 2.0' in metrics
    assert 'clearscope_retention_deleted_total{what="networks"} 4.0' in metrics
    assert 'clearscope_retention_deleted_total{what="pixel_pairs"} 2.0' in metrics
    size = sum(artifact["size"] for artifact in job["result"]["artifacts"])
    assert f'clearscope_retention_deleted_bytes_total{{what="jobs"}} {float(size)}' in metrics


def test_a_job_whose_network_has_expired_cannot_be_retried(
    tmp_path: Path, isolation: Isolation, noisy_tiff: Path
) -> None:
    application = Application(tmp_path / "data", isolation, unused_networks_kept_days=20)
    with closing(application), application.client() as api:
        with application.database.write() as session:
            session.add(network("net_old"))
        job = post(api, kind="predict", image_ids=[upload(api, noisy_tiff)], network="net_old")
        api.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()
        now = system_clock() + timedelta(days=21)
        delete_expired(application.database, application.blobs, application.settings, now)
        assert ids(api, "networks") == []
        assert "net_old has been deleted" in problem(api.post(f"/v1/jobs/{job['id']}/retry"), 409, "conflict")
        assert api.get(f"/v1/jobs/{job['id']}").json()["state"] == "cancelled"


def test_an_idempotency_key_of_an_expired_job_can_be_used_again(
    application: Application, api: httpx.Client, noisy_tiff: Path
) -> None:
    spec = {"kind": "train", "method": "n2v", "image_ids": [upload(api, noisy_tiff)], "budget": TINY}
    first = api.post("/v1/jobs", json=spec, headers={"Idempotency-Key": "again"}).json()["id"]
    wait_until(api, first, ended)
    settings = application.settings.model_copy(update={"results_kept_days": 1.0})
    delete_expired(application.database, application.blobs, settings, system_clock() + timedelta(days=2))
    again = api.post("/v1/jobs", json=spec, headers={"Idempotency-Key": "again"})
    assert again.status_code == 202
    assert again.json()["id"] != first


@pytest.mark.parametrize("days", ["0", "-1", "inf", "nan", "36501"])
def test_a_period_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, days: str) -> None:
    monkeypatch.setenv("CLEARSCOPE_RESULTS_KEPT_DAYS", days)
    with pytest.raises(ValidationError, match="results_kept_days"):
        Settings()


def test_results_that_a_stored_job_uses_are_kept(
    application: Application, api: httpx.Client, noisy_tiff: Path
) -> None:
    image_id = upload(api, noisy_tiff)
    trained = run(api, kind="train", method="n2v", image_ids=[image_id], budget=TINY)
    predicted = run(api, kind="predict", image_ids=[image_id], network={"job": trained["id"]})
    settings = application.settings.model_copy(update={"results_kept_days": 1.0})
    now = system_clock() + timedelta(days=2)
    delete_expired(application.database, application.blobs, settings, now)
    assert ids(api, "jobs") == [trained["id"]]
    assert predicted["id"] not in ids(api, "jobs")
    delete_expired(application.database, application.blobs, settings, now)
    assert ids(api, "jobs") == []
