"""Noise models activated and keys created in real Chromium, with the keyboard's and screen readers' names."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.application import Application
from tests.support.browser import chromium, require_accessible, sign_in, visit
from tests.support.event_streams import serving
from tests.support.published_files import import_model


@pytest.fixture(scope="module")
def browser_process() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def url(keyed: Application) -> Iterator[str]:
    with serving(keyed.asgi) as url:
        yield url


def test_an_older_version_is_activated_with_a_reason_and_a_key_is_created(
    keyed: Application, url: str, browser_process: Browser
) -> None:
    admin_key = keyed.make_key("chief", "admin")
    with keyed.client(admin_key) as admin:
        admin.post("/v1/microscopes", json={"name": "Disc"}).raise_for_status()
        older, newer = (import_model(admin, microscope="Disc")["id"] for _ in range(2))
    with visit(browser_process, url) as page:
        sign_in(page, admin_key)
        page.goto("/instruments")
        require_accessible(page)
        page.get_by_role("link", name="Disc").click()
        expect(page.get_by_role("heading", name="Disc")).to_be_visible()
        page.wait_for_load_state()
        require_accessible(page)
        page.goto(f"/noise-models/{older}")
        page.get_by_label("Reason").fill("the newer one is of another lamp")
        require_accessible(page)
        page.get_by_role("button", name="Activate this version").click()
        expect(page.get_by_role("button", name="Roll back to the version before")).to_be_visible()
        expect(page.get_by_role("cell", name="the newer one is of another lamp")).to_be_visible()
        with keyed.client(admin_key) as admin:
            assert admin.get(f"/v1/noise-models/{older}").json()["active"]
            assert not admin.get(f"/v1/noise-models/{newer}").json()["active"]
        page.goto("/keys")
        require_accessible(page)
        page.get_by_label("Name: owner or purpose").fill("PC 2")
        page.get_by_role("button", name="Create a key").click()
        token = page.locator("#new-key-token")
        expect(page.get_by_text("Copy this key now")).to_be_visible()
        with keyed.client(token.inner_text()) as created:
            assert created.get("/v1/keys/own").json()["name"] == "PC 2"
        page.get_by_label("Name: owner or purpose").fill("PC 2")
        page.get_by_role("button", name="Create a key").click()
        expect(page.get_by_role("alert").filter(has_text="choose another name")).to_be_visible()
