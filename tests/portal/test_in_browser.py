"""A short way through the portal in real Chromium."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, expect

from app.portal.pages import jobs as jobs_page
from models_store.clock_and_ids import system_clock
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.lifecycle import Claim
from tests.support.application import Application
from tests.support.browser import chromium, require_accessible, sign_in, visit
from tests.support.event_streams import serving
from tests.support.posted_jobs import TINY, post, wait_for

HOSTILE = "<img src=x onerror=alert(1)>.tif"
LEASE = timedelta(minutes=5)
HIDE = """hidden => {
  Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def browser_process() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def url(keyed: Application) -> Iterator[str]:
    with serving(keyed.asgi) as url:
        yield url


def test_sign_in_and_out(keyed: Application, url: str, browser_process: Browser) -> None:
    key = keyed.make_key("person", "read", "submit")
    with visit(browser_process, url) as page:
        page.goto("/")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        require_accessible(page)
        page.get_by_label("API key").fill("cs_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        require_accessible(page)
        sign_in(page, key)
        expect(page.get_by_role("heading", name="Denoise images")).to_be_visible()
        require_accessible(page)
        assert page.evaluate("document.cookie") == ""
        page.goto("/nothing")
        expect(page.get_by_role("heading", name="Not found")).to_be_visible()
        require_accessible(page)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_jobs_live(keyed: Application, url: str, browser_process: Browser, noisy_tiff: Path) -> None:
    key = keyed.make_key("watcher", "read", "submit")
    dialogs: list[Dialog] = []
    with keyed.client(key) as api, visit(browser_process, url) as page:
        page.on("dialog", lambda dialog: dialogs.append(dialog))  # noqa: PLW0108  # Playwright marks it
        sign_in(page, key)
        page.get_by_role("link", name="Jobs").click()
        expect(page.get_by_text("There are no jobs yet.")).to_be_visible()
        sent = api.post("/v1/images", params={"filename": HOSTILE}, content=noisy_tiff.read_bytes())
        job = post(api, kind="denoise", image_ids=[sent.json()["id"]], budget=TINY)
        card = page.get_by_role("listitem").filter(has_text=HOSTILE)
        expect(card.get_by_text("Waiting")).to_be_visible()
        expect(page.get_by_text("There are no jobs yet.")).to_be_hidden()
        claim = begin(keyed, job["stages"][0]["id"])
        expect(card.get_by_text("Running")).to_be_visible()
        with keyed.database.write() as session:
            lifecycle.renew(
                session, claim, now=system_clock(), lease=LEASE, progress=0.5, status="step 6 of 12"
            )
        expect(card.get_by_text("Train a first network: step 6 of 12")).to_be_visible()
        expect(card.get_by_role("progressbar")).to_have_attribute("value", re.compile(r"0\.0\d+"))
        require_accessible(page)
        card.get_by_role("button", name="Cancel").click()
        expect(card.get_by_text("Cancelled")).to_be_visible()
        expect(page.get_by_role("status").filter(has_text="Cancelled")).to_be_attached()
        card.get_by_role("link").click()
        expect(page.get_by_role("heading", name="Job", exact=True)).to_be_visible()
        page.get_by_text("Show all events").click()
        expect(page.get_by_text("a worker began")).to_be_visible()
        require_accessible(page)
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_text("Waiting", exact=True)).to_be_visible()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_hidden()
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_text("There are no jobs yet.")).to_be_visible()
        assert dialogs == []


def test_a_page_that_nobody_sees_holds_no_connection(
    keyed: Application, url: str, browser_process: Browser, noisy_tiff: Path
) -> None:
    listeners = keyed.asgi.state.job_streams._listeners
    key = keyed.make_key("has many tabs", "read", "submit")
    with keyed.client(key) as api, visit(browser_process, url) as page:
        sign_in(page, key)
        page.goto("/jobs")
        wait_for(lambda: len(listeners) == 1, "the page listens")
        page.evaluate(HIDE, arg=True)
        wait_for(lambda: not listeners, "the hidden page has no stream")
        sent = api.post("/v1/images", params={"filename": "unseen.tif"}, content=noisy_tiff.read_bytes())
        post(api, kind="denoise", image_ids=[sent.json()["id"]], budget=TINY)
        page.evaluate(HIDE, arg=False)
        expect(page.get_by_role("listitem").filter(has_text="unseen.tif")).to_be_visible()
        assert len(listeners) == 1


@pytest.mark.slow
def test_jobs_that_others_delete_or_end_leave_the_list(
    keyed: Application, url: str, browser_process: Browser, noisy_tiff: Path
) -> None:
    key = keyed.make_key("looks on", "read", "submit")
    with keyed.client(key) as api, visit(browser_process, url) as page:
        sent = api.post("/v1/images", params={"filename": "shared.tif"}, content=noisy_tiff.read_bytes())
        spec = {"kind": "denoise", "image_ids": [sent.json()["id"]], "budget": TINY}
        deleted, ended, later = (post(api, **spec)["id"] for _ in range(3))
        sign_in(page, key)
        page.goto("/jobs")
        page.get_by_role("navigation", name="Jobs by state").get_by_role("link", name="Waiting").click()
        expect(page.locator(f"#{ended}")).to_be_visible()
        require_accessible(page)
        api.post(f"/v1/jobs/{ended}/cancel").raise_for_status()
        expect(page.locator(f"#{ended}")).to_have_count(0)
        api.post(f"/v1/jobs/{deleted}/cancel").raise_for_status()
        page.get_by_role("navigation", name="Jobs by state").get_by_role("link", name="Cancelled").click()
        expect(page.locator(f"#{deleted}")).to_be_visible()
        api.delete(f"/v1/jobs/{deleted}").raise_for_status()
        expect(page.locator(f"#{deleted}")).to_have_count(0)
        expect(page.locator(f"#{ended}")).to_be_visible()
        page.evaluate(HIDE, arg=True)
        api.delete(f"/v1/jobs/{ended}").raise_for_status()
        page.evaluate(HIDE, arg=False)
        expect(page.locator(f"#{ended}")).to_have_count(0)
        expect(page.get_by_text("No job has this state.")).to_be_visible()
        page.goto(f"/jobs/{later}")
        with page.expect_event("load"):  # The page of a job that has ended is loaded again.
            api.post(f"/v1/jobs/{later}/cancel").raise_for_status()
        api.delete(f"/v1/jobs/{later}").raise_for_status()
        page.wait_for_url("**/jobs")


def test_older_jobs_that_new_ones_have_pushed_down_stay_on_the_list(
    keyed: Application,
    url: str,
    browser_process: Browser,
    noisy_tiff: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs_page, "JOBS_AT_ONCE", 2)
    key = keyed.make_key("stays long", "read", "submit")
    with keyed.client(key) as api, visit(browser_process, url) as page:
        sent = api.post("/v1/images", params={"filename": "pushed.tif"}, content=noisy_tiff.read_bytes())
        spec = {"kind": "denoise", "image_ids": [sent.json()["id"]], "budget": TINY}
        first, second = (post(api, **spec)["id"] for _ in range(2))
        sign_in(page, key)
        page.goto("/jobs")
        expect(page.locator(f"#{first}")).to_be_visible()
        third, fourth = (post(api, **spec)["id"] for _ in range(2))
        expect(page.locator("article.job")).to_have_count(4)
        page.evaluate(HIDE, arg=True)
        api.post(f"/v1/jobs/{third}/cancel").raise_for_status()
        api.delete(f"/v1/jobs/{third}").raise_for_status()
        page.evaluate(HIDE, arg=False)
        expect(page.locator(f"#{third}")).to_have_count(0)
        shown = page.locator("article.job").evaluate_all("cards => cards.map(card => card.id)")
        assert shown == [fourth, second, first]


def begin(application: Application, stage_id: str) -> Claim:
    """Claim a stage as a worker does."""
    with application.database.write() as session:
        claim = lifecycle.claim(session, stage_id, worker="w", now=system_clock(), lease=LEASE)
    assert claim is not None
    return claim


def test_the_policy_is_enforced(url: str, browser_process: Browser) -> None:
    def smuggle_a_script_in() -> None:
        with visit(browser_process, url) as page:
            page.goto("/sign-in")
            with page.expect_console_message():
                page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')")
            page.wait_for_load_state("networkidle")

    with pytest.raises(AssertionError, match="Content Security Policy"):
        smuggle_a_script_in()
