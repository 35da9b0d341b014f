"""The list of jobs and the page of one, as the server sends them."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.portal.pages import jobs as jobs_page
from models_store.contracts.trust import TRUST
from models_store.contracts.vocabulary import JobState
from models_store.database.tables import Job
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.rows import record_event
from tests.support.application import Application
from tests.support.posted_jobs import TINY, post, upload

HOSTILE = "<img src=x onerror=alert(1)><script>.tif"


def data(page: httpx.Response, name: str) -> Any:  # documents of the page
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page.text, re.DOTALL)
    assert found is not None, page.text
    return json.loads(found[1])


@pytest.fixture(scope="module")
def image_id(application: Application, noisy_tiff: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    hostile = tmp_path_factory.mktemp("hostile") / "noisy.tif"
    hostile.write_bytes(noisy_tiff.read_bytes())
    with application.client() as api:
        sent = api.post("/v1/images", params={"filename": HOSTILE}, content=hostile.read_bytes())
    found: str = sent.json()["id"]
    return found


@pytest.fixture
def job_id(application: Application, image_id: str) -> Iterator[str]:
    with application.client() as api:
        job_id: str = post(api, kind="denoise", image_ids=[image_id], budget=TINY)["id"]
        yield job_id
        api.post(f"/v1/jobs/{job_id}/cancel")
        api.delete(f"/v1/jobs/{job_id}")


def test_no_jobs(browser: httpx.Client) -> None:
    page = browser.get("/jobs")
    assert page.status_code == 200
    assert "There are no jobs yet." in page.text
    assert data(page, "activities") == []


def test_names_of_strangers_are_data(browser: httpx.Client, job_id: str) -> None:
    for path, name in (("/jobs", "activities"), (f"/jobs/{job_id}", "activity")):
        page = browser.get(path)
        assert "<img src=x" not in page.text
        found = data(page, name)
        document = found[0] if isinstance(found, list) else found
        assert document["id"] == job_id
        assert document["image_name"] == HOSTILE
        assert document["state"] == "queued"


def test_a_server_without_workers_says_so(browser: httpx.Client, job_id: str) -> None:
    for path in ("/jobs", f"/jobs/{job_id}"):
        assert "No worker was seen lately" in browser.get(path).text


def test_older_jobs_are_on_further_pages(
    browser: httpx.Client,
    application: Application,
    image_id: str,
    job_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs_page, "JOBS_AT_ONCE", 1)
    with application.client() as api:
        newer = post(api, kind="denoise", image_ids=[image_id], budget=TINY)["id"]
    newest = browser.get("/jobs")
    assert [each["id"] for each in data(newest, "activities")] == [newer]
    older = re.search(r'href="(/jobs\?cursor=[^"]+)"', newest.text)
    assert older is not None
    page = browser.get(older[1])
    assert [each["id"] for each in data(page, "activities")] == [job_id]
    assert 'data-first="no"' in page.text


def test_jobs_are_filtered_by_state_also_on_further_pages(
    browser: httpx.Client,
    application: Application,
    image_id: str,
    job_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs_page, "JOBS_AT_ONCE", 1)
    with application.client() as api:
        newer, newest = (post(api, kind="denoise", image_ids=[image_id], budget=TINY)["id"] for _ in range(2))
        api.post(f"/v1/jobs/{newest}/cancel").raise_for_status()
    page = browser.get("/jobs?state=queued")
    assert [each["id"] for each in data(page, "activities")] == [newer]
    assert '<a href="/jobs?state=queued" aria-current="page">Waiting</a>' in page.text
    older = re.search(r'href="(/jobs\?cursor=[^"]+)"', page.text)
    assert older is not None
    further = browser.get(older[1].replace("&amp;", "&"))
    assert [each["id"] for each in data(further, "activities")] == [job_id]
    assert '<a href="/jobs?state=queued">Newest jobs</a>' in further.text
    assert "No job has this state." in browser.get("/jobs?state=failed").text


def test_the_result_of_a_job(browser: httpx.Client, application: Application, job_id: str) -> None:
    with application.database.write() as session:
        record_event(session, job_id, "warning", application.clock(), detail="<b>2 %</b> are saturated")
        job = session.get_one(Job, job_id)
        job.state, job.result = (
            JobState.SUCCEEDED,
            {TRUST: {"verdict": "check", "sentence": "Look at <i>it</i>."}},
        )
    page = browser.get(f"/jobs/{job_id}").text
    assert '<p class="notice warn">Look at &lt;i&gt;it&lt;/i&gt;.</p>' in page
    assert "&lt;b&gt;2 %&lt;/b&gt; are saturated" in page
    assert "This job makes no files." in page


def test_a_stage_and_a_stranger_are_no_jobs(
    browser: httpx.Client, application: Application, job_id: str
) -> None:
    with application.client() as api:
        stage = api.get(f"/v1/jobs/{job_id}").json()["stages"][0]["id"]
    assert browser.get(f"/jobs/{stage}").status_code == 404
    assert browser.get("/jobs/job_none").status_code == 404


def test_a_full_account_says_so(keyed: Application, visitor: httpx.Client, noisy_tiff: Path) -> None:
    visitor.cookies["clearscope_key"] = key = keyed.make_key("full", "read", "submit", active_jobs=1)
    assert "another job now" not in visitor.get("/jobs").text
    with keyed.client(key) as api:
        post(api, kind="train", method="n2v", image_ids=[upload(api, noisy_tiff)], budget=TINY)
    assert "its limit is 1" in visitor.get("/jobs").text


def test_guessed_addresses_show_nothing_of_another_microscope(
    keyed: Application, visitor: httpx.Client, noisy_tiff: Path
) -> None:
    with keyed.client(keyed.make_key("owner", "admin")) as api:
        for name in ("theirs", "ours"):
            api.post("/v1/microscopes", json={"name": name})
        image = upload(api, noisy_tiff, microscope="theirs")
        job_id = post(api, kind="train", method="n2v", image_ids=[image], budget=TINY)["id"]
    visitor.cookies["clearscope_key"] = keyed.make_key("bound", "read", microscopes=["ours"])
    assert visitor.get(f"/jobs/{job_id}").status_code == 404
    assert data(visitor.get("/jobs"), "activities") == []


def test_time_left_is_told_in_steps(browser: httpx.Client, application: Application, job_id: str) -> None:
    now = application.clock()
    with application.database.write() as session:
        stage = session.get_one(Job, job_id).stages[0]
        claim = lifecycle.claim(session, stage.id, worker="w", now=now, lease=timedelta(hours=1))
        assert claim is not None
        session.get_one(Job, job_id).started_at = now - timedelta(seconds=100)
        for each in session.get_one(Job, job_id).stages:
            each.progress = 0.5
    found = data(browser.get(f"/jobs/{job_id}"), "activity")
    assert found["seconds_left"] == 120
