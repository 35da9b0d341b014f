"""Webhooks: delivery when a job has ended, and protection of internal networks."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from models_store.clock_and_ids import system_clock
from models_store.database.engines import Database
from models_store.database.tables import Webhook
from models_store.image_files.isolation.client import Isolation
from models_store.repositories.webhooks import MAX_ATTEMPTS
from models_store.settings import Settings
from tests.support.answers import problem
from tests.support.application import Application, MakeApplication
from tests.support.posted_jobs import TINY, post, upload
from tests.support.webhook_receiver import Delivery, Receiver
from worker.upkeep.webhooks import deliver_due

SECRET_BYTES = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(SECRET_BYTES).decode()
PATIENCE_S = 120.0
LOOPBACK = "127.0.0.0/8"


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    return found


def require_signed(delivery: Delivery) -> None:
    """Check the signature with the Standard Webhooks library and the secret alone."""
    headers = delivery.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + delivery.body
    expected = base64.b64encode(hmac.new(SECRET_BYTES, signed, hashlib.sha256).digest()).decode()
    assert f"v1,{expected}" in headers["webhook-signature"].split()
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < PATIENCE_S


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Application]:
    """Application that may call this machine; tests deliver due webhooks themselves."""
    application = Application(
        tmp_path_factory.mktemp("hooked") / "data",
        isolation,
        webhook_secret=SECRET,
        webhook_allowed_networks=LOOPBACK,
        webhook_retry_s=0.05,
    )
    yield application
    application.close()


@pytest.fixture
def sweeping_api(application: Application, api: httpx.Client) -> Iterator[httpx.Client]:
    """The same application with a worker and a sweeper that sweeps continuously."""
    stopping = threading.Event()

    def sweep() -> None:
        while not stopping.wait(0.02):
            deliver_due(application.database, application.settings, application.clock)

    thread = threading.Thread(target=sweep)
    with application.worker():
        thread.start()
        yield api
        stopping.set()
        thread.join()


def test_a_webhook_is_repeated_until_it_is_received(
    sweeping_api: httpx.Client, receiver: Receiver, noisy_tiff: Path
) -> None:
    api = sweeping_api
    receiver.statuses = [500, 302]
    spec = {"kind": "train", "method": "n2v", "image_ids": [upload(api, noisy_tiff)], "budget": TINY}
    url = f"{receiver.url}/told?token=confidential"
    job = api.post("/v1/jobs", json={**spec, "webhook_url": url}).json()
    assert "confidential" not in json.dumps(job)
    events = wait_for(lambda: events_once_delivered(api, job["id"]))
    assert [each["kind"] for each in events][-2:] == ["succeeded", "webhook_delivered"]
    assert events[-1]["detail"]["attempt"] == 3
    assert [each.path for each in receiver.deliveries] == ["/told?token=confidential"] * 3
    assert len({each.headers["webhook-id"] for each in receiver.deliveries}) == 1
    for delivery in receiver.deliveries:
        require_signed(delivery)
        event = json.loads(delivery.body)
        assert event["type"] == "job.succeeded"
        assert event["data"] == {
            "job_id": job["id"],
            "kind": "train",
            "state": "succeeded",
            "href": f"/v1/jobs/{job['id']}",
        }


def events_once_delivered(api: httpx.Client, job_id: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = api.get(f"/v1/jobs/{job_id}/events").json()
    return events if events[-1]["kind"] == "webhook_delivered" else []


def test_each_end_of_a_retried_job_calls_the_webhook(
    sweeping_api: httpx.Client, receiver: Receiver, noisy_tiff: Path
) -> None:
    api = sweeping_api
    spec = {"kind": "denoise", "image_ids": [upload(api, noisy_tiff)], "webhook_url": receiver.url}
    job_id = api.post("/v1/jobs", json=spec).json()["id"]
    api.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    wait_for(lambda: len(receiver.deliveries) == 1)
    wait_for(lambda: events_once_delivered(api, job_id))
    api.post(f"/v1/jobs/{job_id}/retry").raise_for_status()
    api.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    wait_for(lambda: len(receiver.deliveries) == 2)
    assert len({each.headers["webhook-id"] for each in receiver.deliveries}) == 2
    assert {json.loads(each.body)["type"] for each in receiver.deliveries} == {"job.cancelled"}


INSIDE = [
    "http://127.0.0.1/",
    "http://localhost:8000/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0/",
    "http://10.1.2.3/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data",
    "http://100.64.0.1/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[2002:7f00:1::1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[fd00:ec2::254]/",
    "http://[ff02::1]/",
    "http://no-such-host.invalid/",
    "http://8.8.8.8:99999/",
]
NO_URLS = [
    "ftp://8.8.8.8/",
    "file:///etc/passwd",
    "//8.8.8.8",
    "http://",
    "http://[::1/",
    "http://user:password@8.8.8.8/",
    "http://8.8.8.8\\@127.0.0.1/",
    "http://8.8.8.8/\r\nHost: localhost",
    "https://8.8.8.8/" + "x" * 2000,
]


def test_no_job_is_taken_that_would_call_somebody_inside(
    noisy_tiff: Path, make_application: MakeApplication
) -> None:
    application = make_application(webhook_secret=SECRET)
    with application.client() as api:
        spec = {"kind": "denoise", "image_ids": [upload(api, noisy_tiff)]}
        for url in INSIDE:
            for path in ("/v1/jobs", "/v1/jobs/preflight"):
                answer = api.post(path, json={**spec, "webhook_url": url})
                assert problem(answer, 403, "address-forbidden"), url
        for url in NO_URLS:
            problem(api.post("/v1/jobs", json={**spec, "webhook_url": url}), 422, "invalid-request")
        assert api.get("/v1/jobs").json() == []
        outside = api.post("/v1/jobs/preflight", json={**spec, "webhook_url": "https://8.8.8.8/hook"})
        assert outside.status_code == 200


def test_a_server_that_cannot_sign_takes_no_webhooks(
    noisy_tiff: Path, make_application: MakeApplication
) -> None:
    application = make_application()
    with application.client() as api:
        spec = {"kind": "denoise", "image_ids": [upload(api, noisy_tiff)], "webhook_url": "http://8.8.8.8/"}
        refused = api.post("/v1/jobs", json=spec)
    assert "CLEARSCOPE_WEBHOOK_SECRET" in problem(refused, 422, "invalid-request")


@pytest.fixture
def database(application: Application) -> Database:
    return application.database


def end_a_job(api: httpx.Client, noisy_tiff: Path, url: str) -> str:
    """Post a job with a webhook, and cancel it."""
    job_id: str = post(api, kind="denoise", image_ids=[upload(api, noisy_tiff)], webhook_url=url)["id"]
    api.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
    return job_id


def webhook(database: Database, job_id: str) -> Webhook:
    with database.read() as session:
        return session.scalars(select(Webhook).where(Webhook.job_id == job_id)).one()


def test_the_address_is_checked_again_before_it_is_connected_to(
    api: httpx.Client, database: Database, receiver: Receiver, noisy_tiff: Path
) -> None:
    job_id = end_a_job(api, noisy_tiff, receiver.url)
    # The address was allowed when the job was posted, but no longer is.
    deliver_due(database, Settings(webhook_secret=SecretStr(SECRET)), system_clock)
    assert receiver.deliveries == []
    row = webhook(database, job_id)
    assert (row.attempts, row.delivered_at) == (1, None)
    assert "127.0.0.1" in (row.error or "")


def answering(*answers: str) -> Callable[..., Any]:
    """Return a fake getaddrinfo; each look-up gets the next answer."""
    remaining = list(answers)

    def getaddrinfo(_: object, port: int, *__: object, **___: object) -> list[tuple[Any, ...]]:
        if not remaining:
            raise AssertionError("the name was looked up once too often")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (remaining.pop(0), port))]

    return getaddrinfo


def test_dns_rebinding_does_not_change_the_destination(
    api: httpx.Client,
    database: Database,
    receiver: Receiver,
    noisy_tiff: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The connection goes to the address that was checked, without a second look-up."""
    job_id = end_a_job(api, noisy_tiff, receiver.url)
    netloc = receiver.url.removeprefix("http://").replace("127.0.0.1", "hooks.example.org")
    with database.write() as session:
        session.execute(
            update(Webhook).where(Webhook.job_id == job_id).values(url=f"http://{netloc}/hook?a=1")
        )
    monkeypatch.setattr(socket, "getaddrinfo", answering("127.0.0.1"))
    settings = Settings(webhook_secret=SecretStr(SECRET), webhook_allowed_networks=(ip_network(LOOPBACK),))
    deliver_due(database, settings, system_clock)
    (delivery,) = receiver.deliveries
    assert (delivery.headers["host"], delivery.path) == (netloc, "/hook?a=1")
    assert webhook(database, job_id).delivered_at is not None


def test_tls_uses_the_host_name(
    api: httpx.Client, database: Database, noisy_tiff: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hello: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            connection, _ = listener.accept()
            with connection:
                hello.append(connection.recv(4096))

        thread = threading.Thread(target=listen)
        thread.start()
        port = listener.getsockname()[1]
        job_id = end_a_job(api, noisy_tiff, f"https://127.0.0.1:{port}/")
        with database.write() as session:
            url = f"https://hooks.example.org:{port}/"
            session.execute(update(Webhook).where(Webhook.job_id == job_id).values(url=url))
        monkeypatch.setattr(socket, "getaddrinfo", answering("127.0.0.1"))
        settings = Settings(
            webhook_secret=SecretStr(SECRET), webhook_allowed_networks=(ip_network(LOOPBACK),)
        )
        deliver_due(database, settings, system_clock)
        thread.join(PATIENCE_S)
    assert b"hooks.example.org" in hello[0]
    assert webhook(database, job_id).error


def test_deliveries_are_repeated_with_growing_waits_and_then_given_up(
    api: httpx.Client, database: Database, receiver: Receiver, noisy_tiff: Path
) -> None:
    receiver.statuses = [503] * 20
    job_id = end_a_job(api, noisy_tiff, receiver.url)
    settings = Settings(webhook_secret=SecretStr(SECRET), webhook_allowed_networks=(ip_network(LOOPBACK),))
    now = system_clock()
    waits = []

    def clock() -> datetime:
        return now

    for _ in range(MAX_ATTEMPTS):
        deliver_due(database, settings, clock)
        deliver_due(database, settings, clock)
        due_at = webhook(database, job_id).next_attempt_at
        if due_at is not None:
            waits.append((due_at - now) / timedelta(seconds=settings.webhook_retry_s))
            now = due_at
    assert len(receiver.deliveries) == MAX_ATTEMPTS
    assert [round(wait) for wait in waits] == [4**attempt for attempt in range(MAX_ATTEMPTS - 1)]
    row = webhook(database, job_id)
    assert (row.next_attempt_at, row.delivered_at, row.error) == (None, None, "it answered 503")
    assert api.get(f"/v1/jobs/{job_id}/events").json()[-1]["kind"] == "webhook_given_up"


@pytest.mark.parametrize("secret", ["c2hvcnQ=", "no base64!", "whsec_"])
def test_a_weak_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match=r"base64|bytes"):
        Settings(webhook_secret=SecretStr(secret))
