"""Uploads on the first page, in Chromium: files are dropped, interrupted, and become jobs."""

import hashlib
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
from playwright.sync_api import Browser, Page, expect

from tests.support.application import Application
from tests.support.browser import chromium, drop_files, require_accessible, visit
from tests.support.event_streams import serving
from tests.support.posted_jobs import ended, wait_until
from tests.support.server_process import ServerProcess

SENT_PER_S = 4_000_000
UPLOAD_MS = 180_000
"""Patience with an upload at that speed, interrupted."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def api(application: Application) -> Iterator[httpx.Client]:
    """A program that asks the application of the pages."""
    with application.client() as api, application.worker():
        yield api


@pytest.fixture(scope="module")
def url(application: Application) -> Iterator[str]:
    with serving(application.asgi) as url:
        yield url


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    with visit(browser, url) as page:
        open_home(page)
        yield page


def open_home(page: Page) -> None:
    page.goto("/")
    expect(page.locator("html[data-ready]")).to_be_attached()


def row(page: Page, name: str) -> Any:
    return page.locator("li.upload", has_text=name)


def large_tiff(folder: Path) -> Path:
    """Write a file that takes some seconds at the speed of `slow_down`."""
    path = folder / "large.tif"
    planes = np.random.default_rng(3).poisson(50, (16, 1024, 1024)).astype(np.uint16)
    tifffile.imwrite(path, planes, photometric="minisblack")
    return path


def slow_down(page: Page) -> None:
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SENT_PER_S}
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", limits)


def uploads_of(api: httpx.Client, name: str) -> list[Any]:
    return [each for each in api.get("/v1/images").json() if each["filename"] == name]


def test_dropped_files_and_folders_become_a_job(
    page: Page, api: httpx.Client, noisy_tiff: Path, tmp_path: Path
) -> None:
    hostile = shutil.copy(noisy_tiff, tmp_path / "<img src=x onerror=alert(1)>.tif")
    folder = tmp_path / "run_1"
    folder.mkdir()
    for number in range(2):
        shutil.copy(noisy_tiff, folder / f"t_{number}.tif")
    drop_files(page, [Path(hostile), folder], "#drop")
    expect(row(page, "<img src=x")).to_have_attribute("data-state", "finished")
    asked = row(page, "run_1")
    expect(asked).to_contain_text("2 files")
    asked.get_by_role("button", name="Upload as one image").click()
    expect(asked).to_have_attribute("data-state", "finished")
    expect(asked).to_contain_text("the 2 files are read as one series")
    (packed,) = uploads_of(api, "run_1.zip")
    assert packed["header"]["planes"] == 2
    require_accessible(page)
    page.get_by_label("Instant").check()
    expect(page.locator("#planned")).to_contain_text("What will be done")
    row(page, "<img src=x").get_by_role("button", name="Denoise this image").click()
    page.wait_for_url("**/jobs/*")
    job = wait_until(api, page.url.rpartition("/")[2], ended)
    assert (job["state"], job["spec"]["preset"]) == ("succeeded", "instant")


def test_a_refused_file_says_why(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "notes.tif"
    path.write_text("no image")
    page.set_input_files("#files", path)
    refused = row(page, "notes.tif")
    expect(refused).to_have_attribute("data-state", "stopped")
    expect(refused).to_contain_text("Not accepted: ")
    refused.get_by_role("button", name="Cancel").click()
    expect(refused).to_have_attribute("data-state", "cancelled")


def test_the_picker_opens_from_the_keyboard(page: Page, noisy_tiff: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").press("Enter")
    chooser.value.set_files(noisy_tiff)
    expect(row(page, noisy_tiff.name)).to_have_attribute("data-state", "finished")


@pytest.mark.e2e
def test_an_upload_is_paused_and_goes_on_after_a_reload(
    page: Page, api: httpx.Client, tmp_path: Path
) -> None:
    path = large_tiff(tmp_path)
    slow_down(page)
    page.set_input_files("#files", path)
    sent = row(page, path.name)
    expect(sent).to_contain_text(" MB of 33.")
    sent.get_by_role("button", name="Pause").click()
    expect(sent).to_contain_text("Paused at")
    sent.get_by_role("button", name="Resume").click()
    expect(sent).to_have_attribute("data-state", "sending")
    page.wait_for_timeout(1500)  # Some of the file must be on its way when the page is left.
    page.reload()
    expect(page.locator("html[data-ready]")).to_be_attached()
    expect(page.locator("#unfinished")).to_contain_text(path.name)
    created: list[str] = []
    page.on("request", lambda request: created.append(request.url) if request.method == "POST" else None)
    page.set_input_files("#files", path)
    expect(row(page, path.name)).to_have_attribute("data-state", "finished", timeout=UPLOAD_MS)
    assert not [url for url in created if url.endswith("/v1/uploads")]
    expect(page.locator("#unfinished")).to_be_hidden()
    (image,) = uploads_of(api, path.name)
    assert image["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.e2e
def test_a_cancelled_upload_leaves_nothing(page: Page, application: Application, tmp_path: Path) -> None:
    path = large_tiff(tmp_path)
    slow_down(page)
    page.set_input_files("#files", path)
    expect(row(page, path.name)).to_contain_text(" MB of 33.")
    row(page, path.name).get_by_role("button", name="Cancel").click()
    page.reload()
    expect(page.locator("html[data-ready]")).to_be_attached()
    expect(page.locator("#unfinished")).to_be_hidden()
    assert not application.blobs.keys("uploads")


@pytest.mark.e2e
def test_an_upload_survives_a_server_that_dies_at_random_moments(browser: Browser, tmp_path: Path) -> None:
    own = ServerProcess(tmp_path / "data")
    own.start()
    path = large_tiff(tmp_path)
    moments = random.Random(7)  # noqa: S311  # times of kills, no secrets
    try:
        with visit(browser, own.url) as page:
            open_home(page)
            slow_down(page)
            created: list[str] = []
            page.on(
                "request", lambda request: created.append(request.url) if request.method == "POST" else None
            )
            page.set_input_files("#files", path)
            for _ in range(3):
                time.sleep(moments.uniform(0.5, 2.5))
                own.kill()
                own.start()
            expect(row(page, path.name)).to_have_attribute("data-state", "finished", timeout=UPLOAD_MS)
            assert len([url for url in created if url.endswith("/v1/uploads")]) == 1
        with httpx.Client(base_url=own.url) as api:
            (image,) = uploads_of(api, path.name)
            assert image["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    finally:
        own.stop()
