"""A short way through the portal in real Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.application import Application
from tests.support.browser import chromium, require_accessible, sign_in, visit
from tests.support.event_streams import serving


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


def test_the_policy_is_enforced(url: str, browser_process: Browser) -> None:
    def smuggle_a_script_in() -> None:
        with visit(browser_process, url) as page:
            page.goto("/sign-in")
            with page.expect_console_message():
                page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')")
            page.wait_for_load_state("networkidle")

    with pytest.raises(AssertionError, match="Content Security Policy"):
        smuggle_a_script_in()
