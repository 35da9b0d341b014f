"""People's ways through the portal of a facility: real server, PostgreSQL, Redis, worker and Chromium.

They leave pictures of sign-in and jobs for docs/portal.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium, drop_files, require_accessible, screenshot, sign_in, visit
from tests.support.databases import migrated_postgres_url
from tests.support.keyed_server import clearscope_keys, client, make_key
from tests.support.posted_jobs import LONG, post, upload, wait_until
from tests.support.services import Postgres, Redis
from tests.support.worker_process import Facility
from worker.engine.simulation import Scmos, simulate_specimen

pytestmark = pytest.mark.e2e

JOB_MS = 180_000
OURS, THEIRS = "Spinning disc 1", "Light sheet 2"


@dataclass(frozen=True)
class Place:
    """A facility with two microscopes and its people's keys."""

    facility: Facility
    url: str
    admin: str
    ours: str
    theirs: str


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, postgres_service: Postgres, redis_service: Redis
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("portal")
    facility = Facility(folder, migrated_postgres_url(postgres_service), redis_service.url)
    facility.start()
    facility.worker()
    server = facility.server
    admin = make_key(server, "administrator", "--scope", "admin")
    with client(server, admin) as api:
        for name in (OURS, THEIRS):
            assert api.post("/v1/microscopes", json={"name": name}).is_success
    keys = [
        make_key(server, name, "--scope", "read", "--scope", "submit", "--microscope", name)
        for name in (OURS, THEIRS)
    ]
    yield Place(facility, server.url, admin, *keys)
    facility.close()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated specimen in little light."""
    camera = Scmos.with_maps((256, 256), seed=1, gain_adu_per_e=2.2, offset_adu=100.0, read_noise_adu=3.0)
    photons_yx = 60 * simulate_specimen((256, 256), seed=1)
    path = tmp_path_factory.mktemp("images") / "nucleus 7.tif"
    tifffile.imwrite(path, camera.observe(photons_yx, np.random.default_rng(1)))
    return path


def open_home(page: Page) -> None:
    page.goto("/")
    expect(page.locator("html[data-ready]")).to_be_attached()


def test_from_a_dropped_file_to_the_result(
    place: Place, browser: Browser, image: Path, tmp_path: Path
) -> None:
    with visit(browser, place.url) as page:
        page.goto("/sign-in")
        screenshot(page, "sign-in")
        sign_in(page, place.ours)
        open_home(page)
        drop_files(page, [image], "#drop")
        row = page.locator("li.upload", has_text=image.name)
        expect(row).to_have_attribute("data-state", "finished")
        page.get_by_label("Instant").check()
        expect(page.locator("#planned")).to_contain_text("What will be done")
        require_accessible(page)
        row.get_by_role("button", name="Denoise this image").click()
        page.wait_for_url("**/jobs/*")
        job_path = page.url.removeprefix(place.url)
        expect(page.get_by_text("Done", exact=True)).to_be_visible(timeout=JOB_MS)
        expect(page.get_by_role("heading", name="Can you trust the result?")).to_be_visible()
        require_accessible(page)
        screenshot(page, "job")
        with page.expect_download() as download:
            page.locator(".files a", has_text=".tif").first.click()
        result = tmp_path / "result.tif"
        download.value.save_as(result)
        assert tifffile.imread(result).shape == (256, 256)
        page.get_by_role("button", name="Compare with the image").click()
        expect(page.locator("#stage")).to_be_visible()
        expect(page.locator("#busy")).to_be_hidden()
        require_accessible(page)
        page.goto("/jobs")
        expect(page.locator("article.job")).to_have_count(1)
        require_accessible(page)
        screenshot(page, "jobs")
        assert (
            page.evaluate("document.querySelector('a.job-name, .job-name a').getAttribute('href')")
            == job_path
        )


def test_a_running_job_is_cancelled(place: Place, browser: Browser, image: Path) -> None:
    with visit(browser, place.url, dark=True) as page, client(place.facility.server, place.admin) as api:
        sign_in(page, place.admin)
        page.goto("/jobs")
        image_id = upload(api, image, microscope=OURS)
        job = post(api, kind="denoise", image_ids=[image_id], budget=LONG, reuse="none")
        card = page.locator(f"#{job['id']}")
        expect(card.get_by_text("Running")).to_be_visible(timeout=JOB_MS)
        expect(card.get_by_text("step")).to_be_visible(timeout=JOB_MS)
        screenshot(page, "jobs-dark")
        card.get_by_role("button", name="Cancel").click()
        expect(card.get_by_text("Cancelled")).to_be_visible()
        wait_until(api, job["id"], lambda document: document["state"] == "cancelled")


def test_two_people_see_nothing_of_each_other(place: Place, browser: Browser, image: Path) -> None:
    server = place.facility.server
    with client(server, place.theirs) as api:
        image_id = upload(api, image, microscope=THEIRS)
        hidden = post(api, kind="denoise", image_ids=[image_id], preset="instant")["id"]
    with visit(browser, place.url) as page, visit(browser, place.url) as other:
        sign_in(page, place.ours)
        sign_in(other, place.theirs)
        page.goto("/jobs")
        other.goto("/jobs")
        expect(other.locator(f"#{hidden}").get_by_text("Done")).to_be_visible(timeout=JOB_MS)
        expect(page.locator(f"#{hidden}")).to_have_count(0)
        with client(server, place.theirs) as api:
            files = api.get(f"/v1/jobs/{hidden}").json()["result"]["artifacts"]
        guessed = (
            f"/jobs/{hidden}",
            f"/results/{hidden}",
            files[0]["href"],
            f"/v1/images/{image_id}/preview.png",
        )
        for path in guessed:
            answer = page.request.get(place.url + path)
            assert answer.status == 404, path
            assert other.request.get(place.url + path).status == 200, path


def test_a_page_outlives_a_restart_of_the_server(place: Place, browser: Browser, image: Path) -> None:
    server = place.facility.server
    with visit(browser, place.url) as page:
        sign_in(page, place.ours)
        page.goto("/jobs")
        server.stop()
        expect(page.get_by_text("The connection to the server is lost.")).to_be_visible()
        screenshot(page, "connection-lost")
        require_accessible(page)
        server.start()
        expect(page.get_by_text("The connection to the server is lost.")).to_be_hidden()
        with client(server, place.ours) as api:
            job = post(
                api,
                kind="denoise",
                image_ids=[upload(api, image, microscope=OURS)],
                preset="instant",
            )
        expect(page.locator(f"#{job['id']}")).to_be_visible()


def test_a_revoked_key_leads_to_sign_in(place: Place, browser: Browser) -> None:
    key = make_key(place.facility.server, "leaves soon", "--scope", "read")
    with visit(browser, place.url) as page:
        sign_in(page, key)
        page.goto("/jobs")
        clearscope_keys(place.facility.server, "revoke", "leaves soon")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("alert")).to_contain_text("revoked")
