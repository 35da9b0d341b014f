"""Noise models activated and keys created in real Chromium, with the keyboard's and screen readers' names."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
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


def test_a_calibration_is_sent_and_what_became_of_it_is_told(
    keyed: Application, url: str, browser_process: Browser, tmp_path: Path
) -> None:
    key = keyed.make_key("calibrates", "read", "submit", "calibrate")
    with keyed.client(keyed.make_key("registers", "admin")) as admin:
        admin.post("/v1/microscopes", json={"name": "Lamp"}).raise_for_status()
        admin.post("/v1/microscopes/Lamp/profiles", json={"name": "fast", "gain": 1}).raise_for_status()
    frames = np.random.default_rng(0).poisson(50, (3, 32, 32)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "frames.tif", frames, photometric="minisblack")
    with visit(browser_process, url) as page, keyed.client(key) as api:
        sign_in(page, key)
        page.goto("/instruments/Lamp")
        page.get_by_text("Calibrate or check this camera").click()
        require_accessible(page)
        page.get_by_label("Frames", exact=True).set_input_files(tmp_path / "frames.tif")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("alert")).to_contain_text("no active noise model to check")
        page.get_by_label("Fit a new noise model").check()
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("status")).to_contain_text("are being measured by job job_")
        (job,) = api.get("/v1/jobs").json()
        assert job["kind"] == "fit_noise_model"
        image = api.get(f"/v1/images/{job['spec']['image_ids'][0]}").json()
        assert (image["role"], image["origin"]["profile"]) == ("calibration", "fast")
        api.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()
        expect(page.get_by_role("alert")).to_contain_text("the job ended as cancelled")


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
