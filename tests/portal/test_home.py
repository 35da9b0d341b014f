"""The first page: what it offers to whom."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.application import Application
from tests.support.posted_jobs import post, upload


def signed_in(application: Application, key: str) -> Iterator[httpx.Client]:
    with application.client() as browser:
        browser.headers["Accept"] = "text/html"
        browser.cookies["clearscope_key"] = key
        yield browser


@pytest.fixture
def reader(keyed: Application) -> Iterator[httpx.Client]:
    """A browser whose key may only read."""
    yield from signed_in(keyed, keyed.make_key("reads", "read"))


def test_first_page_takes_files(browser: httpx.Client) -> None:
    page = browser.get("/").text
    assert '<input type="file" id="files" multiple hidden>' in page
    assert '<script type="module" src="/portal/assets/upload.js">' in page
    assert "There are no jobs yet" in page
    for file in ("upload.js", "upload_queue.js", "denoise_form.js", "packed_folder.js"):
        assert browser.get(f"/portal/assets/{file}").status_code == 200


def test_a_key_that_may_not_upload_is_told_so(reader: httpx.Client) -> None:
    page = reader.get("/").text
    assert "Your key may not upload images" in page
    assert "upload.js" not in page


def test_microscopes_are_those_of_the_key(keyed: Application) -> None:
    with keyed.client(keyed.make_key("names", "admin")) as api:
        for name in ("Own & scope", "Foreign scope"):
            api.post("/v1/microscopes", json={"name": name}).raise_for_status()
    bound = keyed.make_key("bound", microscopes=["Own & scope"])
    for browser in signed_in(keyed, bound):
        page = browser.get("/").text
        assert "Own &amp; scope" in page
        assert "Foreign scope" not in page


def test_a_key_that_is_bound_to_several_microscopes_has_to_choose(keyed: Application) -> None:
    with keyed.client(keyed.make_key("names two", "admin")) as api:
        for name in ("Left", "Right"):
            api.post("/v1/microscopes", json={"name": name}).raise_for_status()
    bound = keyed.make_key("bound to two", microscopes=["Left", "Right"])
    for browser in signed_in(keyed, bound):
        assert '<option value="">Choose one</option>' in browser.get("/").text
    for browser in signed_in(keyed, keyed.make_key("sees all")):
        assert '<option value="">What the file tells</option>' in browser.get("/").text


def test_latest_jobs_are_linked(application: Application, browser: httpx.Client, noisy_tiff: Path) -> None:
    with application.client() as api:
        job = post(api, kind="denoise", image_ids=[upload(api, noisy_tiff)], preset="instant")
    page = browser.get("/").text
    assert f'href="/jobs/{job["id"]}"' in page
    assert "noisy.tif" in page
    assert "Waiting, 0 %" in page


def test_a_server_without_workers_and_a_full_account_are_told(
    keyed: Application, browser: httpx.Client, noisy_tiff: Path
) -> None:
    assert "No worker was seen lately" in browser.get("/").text
    key = keyed.make_key("full of jobs", "read", "submit", active_jobs=1)
    for visitor in signed_in(keyed, key):
        assert "another job now" not in visitor.get("/").text
        with keyed.client(key) as api:
            post(api, kind="denoise", image_ids=[upload(api, noisy_tiff)], preset="instant")
        assert "You cannot start another job now." in visitor.get("/").text
        assert "its limit is 1" in visitor.get("/").text
