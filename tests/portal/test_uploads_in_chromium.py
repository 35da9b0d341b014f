"""Uploads on the first page, in Chromium: files are dropped, interrupted, and become jobs."""

import hashlib
import os
import random
import re
import shutil
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
from playwright.sync_api import Browser, Page, Route, expect

from models_store.repositories import api_keys
from tests.support.application import Application
from tests.support.browser import (
    chromium,
    drop_files,
    require_accessible,
    screenshot,
    screenshot_of,
    sign_in,
    visit,
)
from tests.support.databases import migrated_postgres_url
from tests.support.event_streams import serving
from tests.support.posted_jobs import ended, wait_for, wait_until
from tests.support.published_files import import_model
from tests.support.services import Postgres, Redis
from tests.support.worker_process import Facility
from tests.support.zarr_files import write_ome_zarr

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
    expect(page.locator("#planned")).to_contain_text(
        re.compile("How long it takes is not known|Such a job takes")
    )
    row(page, "<img src=x").get_by_role("button", name="Denoise this image").click()
    page.wait_for_url("**/jobs/*")
    job = wait_until(api, page.url.rpartition("/")[2], ended)
    assert (job["state"], job["spec"]["preset"]) == ("succeeded", "instant")


def test_pressing_again_after_a_failure_runs_no_image_twice(
    page: Page, api: httpx.Client, noisy_tiff: Path, tmp_path: Path
) -> None:
    names = ["twice a.tif", "twice b.tif"]
    page.set_input_files("#files", [shutil.copy(noisy_tiff, tmp_path / name) for name in names])
    for name in names:
        expect(row(page, name)).to_have_attribute("data-state", "finished")
    keys: list[str] = []

    def fail_once(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == len(names):
            route.fulfill(status=503, json={"detail": "try again later"})
        else:
            route.continue_()

    planned: list[str | None] = []
    page.on(
        "request",
        lambda request: planned.append(request.post_data) if request.url.endswith("/preflight") else None,
    )
    page.route("**/v1/jobs", fail_once)
    for preset in ("Instant", "Fast", "Instant"):
        page.get_by_label(preset).check()
        expect(page.locator("#planned")).to_contain_text("What will be done")
    assert len(planned) == len(set(planned)), "plans are asked for once"
    page.locator("#denoise-all").click()
    expect(page.locator("#planned")).to_contain_text("try again later")
    page.locator("#denoise-all").click()
    page.wait_for_url("**/jobs")
    assert keys[:2] == keys[2:]
    assert len(set(keys)) == len(names)
    images = {each["id"] for name in names for each in uploads_of(api, name)}
    posted = [each for each in api.get("/v1/jobs").json() if images & set(each["spec"]["image_ids"])]
    assert len(posted) == len(names)


def test_a_folder_of_ome_zarr_is_one_image(page: Page, api: httpx.Client, tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).poisson(50, (3, 64, 80)).astype(np.uint16)
    write_ome_zarr(tmp_path / "day" / "cells.ome.zarr", pixels, "zyx")
    page.set_input_files("#folder", tmp_path / "day")
    expect(row(page, "cells.ome.zarr")).to_have_attribute("data-state", "finished")
    (image,) = uploads_of(api, "cells.ome.zarr.zip")
    assert (image["header"]["axes"], image["header"]["shape"]) == ("ZYX", [3, 64, 80])


def test_microscope_and_what_the_file_tells(
    application: Application, browser: Browser, url: str, noisy_tiff: Path
) -> None:
    with application.client() as api:
        api.post("/v1/microscopes", json={"name": "Spinning disc"}).raise_for_status()
    with visit(browser, url) as page:
        open_home(page)
        page.get_by_label("Microscope").select_option("Spinning disc")
        page.set_input_files("#files", noisy_tiff)
        expect(row(page, noisy_tiff.name)).to_contain_text("of Spinning disc; the file tells no settings")
        page.set_input_files("#files", noisy_tiff)
        expect(page.locator("li.upload")).to_have_count(2)
        page.reload()
        expect(page.get_by_label("Microscope")).to_have_value(re.compile("mic_"))


def test_the_client_in_the_page_uploads_in_parts(page: Page, api: httpx.Client, noisy_tiff: Path) -> None:
    """tus-js-client's parallel uploads, which are put together, and bytes that are sent with the creation."""
    content = noisy_tiff.read_bytes()
    send = """([bytes, options]) => new Promise((onSuccess, onError) => new tus.Upload(
      new Blob([new Uint8Array(bytes)]),
      {endpoint: "/v1/uploads", metadata: {filename: "parts.tif"}, onSuccess, onError, ...options}
    ).start())"""
    for options in ({"parallelUploads": 3}, {"uploadDataDuringCreation": True}):
        page.evaluate(send, [list(content), options])
    images = uploads_of(api, "parts.tif")
    assert [each["sha256"] for each in images] == 2 * [hashlib.sha256(content).hexdigest()]


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


def test_limits_and_keys_that_end_are_explained(
    keyed: Application, browser: Browser, noisy_tiff: Path
) -> None:
    key = keyed.make_key("small", stored_bytes=1000)
    with serving(keyed.asgi) as url, visit(browser, url) as page:
        sign_in(page, key)
        expect(page.locator("html[data-ready]")).to_be_attached()
        page.set_input_files("#files", noisy_tiff)
        expect(row(page, noisy_tiff.name)).to_contain_text(
            "storage quota of 1000 bytes is used up; delete images"
        )
        with keyed.database.write() as session:
            api_keys.revoke_key(session, "small", datetime.now(UTC))
        wait_for(lambda: page.request.get("/v1/jobs").status == HTTPStatus.UNAUTHORIZED, "the key ends")
        row(page, noisy_tiff.name).get_by_role("button", name="Try again").click()
        expect(page.get_by_role("alert")).to_contain_text("This API key was revoked")


def test_names_of_files_are_not_left_to_the_next_person(keyed: Application, browser: Browser) -> None:
    def remembered(page: Page) -> Any:
        return page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('tus::'))")

    def begin(page: Page) -> None:
        """Begin an upload as the page does, and leave it unfinished."""
        script = """async () => {
            const file = new File(["abc"], "patient 7.tif");
            const metadata = {filename: file.name};
            const options = {endpoint: "/v1/uploads", uploadSize: 3, metadata, chunkSize: 1};
            options.headers = {"X-ClearScope-Portal": "1"};
            const upload = await new Promise((begun, onError) => {
                const onUploadUrlAvailable = () => begun(made);
                const made = new tus.Upload(file, {...options, onError, onUploadUrlAvailable});
                made.start();
            });
            await upload.abort();
        }"""
        page.evaluate(script)
        wait_for(lambda: remembered(page), "the browser remembers the file")

    with serving(keyed.asgi) as url, visit(browser, url) as page:
        sign_in(page, keyed.make_key("earlier"))
        begin(page)
        open_home(page)
        expect(page.locator("#unfinished")).to_contain_text("patient 7.tif")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in**")
        assert remembered(page) == []
        # Whose key was revoked did not sign out.
        sign_in(page, keyed.make_key("revoked"))
        begin(page)
        page.context.clear_cookies()
        sign_in(page, keyed.make_key("later"))
        wait_for(lambda: not remembered(page), "the browser forgets the file")
        assert page.locator("#unfinished").is_hidden()


def test_a_folder_beyond_4_gib_is_packed_as_zip64(page: Page, tmp_path: Path) -> None:
    parts = page.evaluate(
        """async () => {
            const { packed } = await import("/portal/assets/packed_folder.js");
            const RealFile = File;
            const none = { arrayBuffer: async () => new ArrayBuffer(0) };
            const large = { size: 4.5 * 2 ** 30, lastModified: 0, slice: () => none };
            const small = new RealFile(["after"], "1");
            const files = [{ path: "a/0.raw", file: large }, { path: "b/1.txt", file: small }];
            let parts;
            globalThis.File = class { constructor(given) { parts = given; } };
            await packed("run", files, () => {}, new AbortController().signal);
            globalThis.File = RealFile;
            return parts.map((part) => (part instanceof Uint8Array ? [...part] : part.size));
        }"""
    )
    path = tmp_path / "run.zip"
    with path.open("wb") as sparse:
        for part in parts:
            if part == len("after"):
                sparse.write(b"after")
            elif isinstance(part, list):
                sparse.write(bytes(part))
            else:
                sparse.seek(int(part), os.SEEK_CUR)
    with zipfile.ZipFile(path) as archive:
        assert [each.filename for each in archive.infolist()] == ["a/0.raw", "b/1.txt"]
        assert archive.getinfo("a/0.raw").file_size == 4.5 * 2**30
        assert archive.read("b/1.txt") == b"after"


@pytest.mark.e2e
def test_picture_of_the_first_page(page: Page, api: httpx.Client, tmp_path: Path) -> None:
    """An image that is there, and one on its way: docs/portal/upload.png."""
    y, x = np.mgrid[:512, :512]
    photons_yx = 6 + 40 * np.exp(-((np.hypot((x % 128) - 64, (y % 160) - 80) - 30) ** 2) / 60)
    pixels = (100 + 4 * np.random.default_rng(2).poisson(photons_yx)).astype(np.uint16)
    pixels[100, 200:206] = 60000
    tifffile.imwrite(tmp_path / "membranes.tif", pixels)
    api.post("/v1/microscopes", json={"name": "Spinning disc 2"}).raise_for_status()
    import_model(api, microscope="Spinning disc 2")
    open_home(page)
    page.get_by_label("Microscope").select_option("Spinning disc 2")
    page.set_input_files("#files", tmp_path / "membranes.tif")
    expect(row(page, "membranes.tif")).to_have_attribute("data-state", "finished")
    expect(page.locator("#planned")).to_contain_text("What will be done")
    expect(page.get_by_role("combobox", name="Microscope: membranes.tif")).to_be_visible()
    slow_down(page)
    page.set_input_files("#files", large_tiff(tmp_path))
    expect(row(page, "large.tif")).to_contain_text(" MB of 33.")
    page.set_viewport_size({"width": 1100, "height": 1250})
    screenshot(page, "upload")
    row(page, "large.tif").get_by_role("button", name="Cancel").click()
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("A stored version").check()
    page.set_viewport_size({"width": 1100, "height": 1000})
    page.locator("#options").scroll_into_view_if_needed()
    screenshot_of(page.locator("#denoise"), "options")


@pytest.fixture(scope="module")
def facility(
    tmp_path_factory: pytest.TempPathFactory, postgres_service: Postgres, redis_service: Redis
) -> Iterator[Facility]:
    """A server on PostgreSQL and Redis, as a facility runs it."""
    folder = tmp_path_factory.mktemp("facility")
    facility = Facility(folder, migrated_postgres_url(postgres_service), redis_service.url)
    facility.start()
    yield facility
    facility.close()


@pytest.fixture
def facility_page(browser: Browser, facility: Facility) -> Iterator[Page]:
    with visit(browser, facility.server.url) as page:
        open_home(page)
        yield page


@pytest.mark.e2e
def test_an_upload_is_paused_and_goes_on_after_a_reload(
    facility_page: Page, facility: Facility, tmp_path: Path
) -> None:
    page, path = facility_page, large_tiff(tmp_path)
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
    with facility.api() as api:
        (image,) = uploads_of(api, path.name)
    assert image["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.e2e
def test_a_cancelled_upload_leaves_nothing(facility_page: Page, facility: Facility, tmp_path: Path) -> None:
    page, path = facility_page, large_tiff(tmp_path)
    slow_down(page)
    page.set_input_files("#files", path)
    expect(row(page, path.name)).to_contain_text(" MB of 33.")
    with page.expect_response(lambda response: response.request.method == "DELETE"):
        row(page, path.name).get_by_role("button", name="Cancel").click()
    page.reload()
    expect(page.locator("html[data-ready]")).to_be_attached()
    expect(page.locator("#unfinished")).to_be_hidden()
    assert not facility.blob_keys("uploads")


@pytest.mark.e2e
def test_an_upload_survives_a_server_that_dies_at_random_moments(
    facility_page: Page, facility: Facility, tmp_path: Path
) -> None:
    page, path = facility_page, large_tiff(tmp_path)
    path = path.rename(path.with_name("survives.tif"))
    moments = random.Random(7)  # noqa: S311  # times of kills, no secrets
    slow_down(page)
    created: list[str] = []
    page.on("request", lambda request: created.append(request.url) if request.method == "POST" else None)
    page.set_input_files("#files", path)
    for _ in range(3):
        time.sleep(moments.uniform(0.5, 2.5))
        facility.server.kill()
        expect(row(page, path.name)).to_contain_text("The connection is lost. Trying again")
        facility.server.start()
    expect(row(page, path.name)).to_have_attribute("data-state", "finished", timeout=UPLOAD_MS)
    assert len([url for url in created if url.endswith("/v1/uploads")]) == 1
    with facility.api() as api:
        (image,) = uploads_of(api, path.name)
    assert image["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
