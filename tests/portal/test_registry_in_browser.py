"""Noise models activated and keys created in real Chromium, with the keyboard's and screen readers' names."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
from playwright.sync_api import Browser, Page, expect

from models_store.contracts.camera_figures import CameraCheck, FigureName, FigureVerdict, JudgedFigure
from models_store.contracts.outcomes import MadeCheck
from models_store.database.tables import Job
from models_store.repositories import api_keys
from models_store.repositories.camera_checks import record_check
from tests.support.application import Application
from tests.support.browser import chromium, require_accessible, screenshot, sign_in, visit
from tests.support.databases import NOON
from tests.support.event_streams import serving
from tests.support.posted_jobs import run, upload, wait_for
from tests.support.published_files import import_model

JOB_MS = 120_000


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
        created: list[str] = []
        page.on("request", lambda request: created.append(request.url) if request.method == "POST" else None)
        page.get_by_label("Frames", exact=True).set_input_files(tmp_path / "frames.tif")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("alert")).to_contain_text("no active noise model to check")
        expect(page.locator("[data-part=found]")).to_contain_text("frames.tif")
        page.get_by_label("Fit a new noise model").check()
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_role("status")).to_contain_text("are being measured by job job_")
        (job,) = api.get("/v1/jobs").json()
        assert job["kind"] == "fit_noise_model"
        image = api.get(f"/v1/images/{job['spec']['image_ids'][0]}").json()
        assert (image["role"], image["origin"]["profile"]) == ("calibration", "fast")
        api.post(f"/v1/jobs/{job['id']}/cancel").raise_for_status()
        expect(page.get_by_role("alert")).to_contain_text("the job ended as cancelled")
        assert len([url for url in created if url.endswith("/v1/uploads")]) == 1, "frames are sent once"


@pytest.mark.slow
def test_frames_go_on_after_a_reload_and_each_check_is_told(
    application: Application, browser_process: Browser, tmp_path: Path
) -> None:
    with application.client() as api:
        api.post("/v1/microscopes", json={"name": "Arc"}).raise_for_status()
        api.post("/v1/microscopes/Arc/profiles", json={"name": "slow", "gain": 1}).raise_for_status()
    scene_yx = np.linspace(40, 400, 64 * 64).reshape(64, 64)
    frames = np.random.default_rng(0).poisson(100 + scene_yx, (20, 64, 64)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "frames.tif", frames, photometric="minisblack")
    with (
        application.worker(),
        serving(application.asgi) as url,
        visit(browser_process, url) as page,
    ):
        page.route(
            "**/v1/uploads/*",
            lambda route: route.abort() if route.request.method == "PATCH" else route.fallback(),
        )
        open_calibration(page, tmp_path / "frames.tif")
        expect(page.get_by_text("The connection is lost. Trying again")).to_be_visible()
        page.unroute("**/v1/uploads/*")
        page.goto("/instruments/Arc")
        expect(page.get_by_text("frames.tif was interrupted at 0 bytes of")).to_be_visible()
        page.goto("/")
        expect(page.locator("html[data-ready]")).to_be_attached()
        expect(page.locator("#unfinished")).to_be_hidden()
        created: list[str] = []
        page.on("request", lambda request: created.append(request.url) if request.method == "POST" else None)
        open_calibration(page, tmp_path / "frames.tif")
        found = page.locator("[data-part=found]")
        expect(found).to_contain_text("flicker is", timeout=JOB_MS)
        for told in ("Light", "Motion", "Saturation", "Noise of neighbours", "Nothing unusual was found."):
            expect(found).to_contain_text(told)
        expect(page.get_by_role("status").filter(has_text="is the active one")).to_be_visible()
        assert not [url for url in created if url.endswith("/v1/uploads")], "the upload goes on"
        require_accessible(page)


def open_calibration(page: Page, frames: Path) -> None:
    """Send frames to fit a noise model."""
    page.goto("/instruments/Arc")
    expect(page.locator("html[data-ready]")).to_be_attached()
    if not page.get_by_label("Frames", exact=True).is_visible():
        page.get_by_text("Calibrate or check this camera").click()
    page.get_by_label("Frames", exact=True).set_input_files(frames)
    page.get_by_label("Fit a new noise model").check()
    page.get_by_role("button", name="Send").click()


def record_gains(
    application: Application, noise_model_id: str, gains: Sequence[float], first: datetime = NOON
) -> None:
    """Record a check of the camera for each gain, one on each day."""
    for day, value in enumerate(gains):
        verdict: FigureVerdict = "drifted" if value > 2.1 else "ok"
        figure = JudgedFigure(
            name=FigureName.GAIN,
            title="overall system gain",
            symbol="K",
            unit="DN/e-",
            value=value,
            standard_error=0.01,
            how="frames",
            reference=2.0,
            reference_error=0.01,
            limit=0.06,
            verdict=verdict,
        )
        told = f"the overall system gain is {value:.3g} DN/e- instead of 2 DN/e-"
        check = CameraCheck(
            source="calibration", verdict=verdict, told=told, reference_from="fit", figures=(figure,)
        )
        outcome = MadeCheck(noise_model_id=noise_model_id, check=check)
        with application.database.write() as session:
            record_check(session, outcome, Mock(Job, id=f"job_{day}"), first + timedelta(days=day))


def test_a_control_chart_tells_the_values_of_each_check(
    application: Application, browser_process: Browser
) -> None:
    with application.client() as api:
        api.post("/v1/microscopes", json={"name": "Drifting"}).raise_for_status()
        profile = {"name": "fast", "camera": "Flash", "camera_serial": "7"}
        api.post("/v1/microscopes/Drifting/profiles", json=profile).raise_for_status()
        of_profile = {"microscope": "Drifting", "profile": "fast"}
        made, of_channel = (
            import_model(api, **of_profile, **channel)["id"] for channel in ({}, {"channel": "GFP"})
        )
    record_gains(application, made, (2.0, 2.01, 2.2))
    record_gains(application, of_channel, (2.03,), NOON + timedelta(hours=1))
    with serving(application.asgi) as url, visit(browser_process, url) as page:
        page.goto("/instruments/Drifting")
        chart = page.get_by_role("slider", name="Checks of overall system gain, fast", exact=True)
        figure_of_page = page.locator("figure.chart").filter(has=chart)
        expect(figure_of_page).to_contain_text("2.2 ± 0.01 DN/e-, drifted; by frames of a static scene")
        expect(figure_of_page).to_contain_text("Limits: 1.94 to 2.06.")
        chart.focus()
        page.keyboard.press("ArrowLeft")
        expect(chart).to_have_attribute("aria-valuetext", re.compile(r"2\.01 ± 0\.01 DN/e-, as it was"))
        box = chart.bounding_box()
        assert box is not None
        chart.hover(position={"x": box["width"] * 0.3, "y": box["height"] / 2})
        expect(figure_of_page).to_contain_text("2 ± 0.01 DN/e-, as it was")
        of_camera = page.get_by_role("slider", name="Checks of overall system gain, Flash, no. 7", exact=True)
        told = "3.3333 ± 0.17 limits, drifted; by frames of a static scene, for version 1. Limits: -1 to 1."
        expect(page.locator("figure.chart").filter(has=of_camera)).to_contain_text(f"{told} Profile: fast.")
        of_camera.focus()
        page.keyboard.press("Home")
        expect(of_camera).to_have_attribute("aria-valuetext", re.compile(r": 0 ± .*Profile: fast\.$"))
        page.keyboard.press("ArrowRight")
        expect(of_camera).to_have_attribute("aria-valuetext", re.compile(r"0\.5 ± .*Profile: fast, GFP\.$"))
        require_accessible(page)
    context = browser_process.new_context(java_script_enabled=False)
    with serving(application.asgi) as url:
        plain = context.new_page()
        plain.goto(f"{url}/instruments/Drifting")
        drawings = [each.get_attribute("alt") for each in plain.locator("figure.chart img").all()]
        assert drawings == [
            "overall system gain, Flash, no. 7: drifted",
            "overall system gain, fast: drifted",
            "overall system gain, fast, GFP: as it was",
        ]
    context.close()


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


def test_a_lost_connection_and_a_key_that_ends_are_told_by_forms(
    keyed: Application, url: str, browser_process: Browser
) -> None:
    key = keyed.make_key("short-lived", "admin")
    with visit(browser_process, url) as page:
        sign_in(page, key)
        page.goto("/instruments")
        details = page.get_by_text("Register a microscope").first
        if not page.get_by_label("Name", exact=True).is_visible():
            details.click()
        page.get_by_label("Name", exact=True).fill("Far away")
        page.context.set_offline(True)
        page.get_by_role("button", name="Register a microscope").click()
        expect(page.get_by_role("alert")).to_contain_text("the server could not be reached")
        page.context.set_offline(False)
        with keyed.database.write() as session:
            api_keys.revoke_key(session, "short-lived", datetime.now(UTC))
        wait_for(lambda: page.request.get("/v1/jobs").status == HTTPStatus.UNAUTHORIZED, "the key ends")
        page.get_by_role("button", name="Register a microscope").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        expect(page.get_by_role("alert")).to_contain_text("This API key was revoked")


@pytest.mark.e2e
def test_pictures_of_the_registry(
    application: Application, keyed: Application, url: str, browser_process: Browser, tmp_path: Path
) -> None:
    """A calibrated camera that drifts, and API keys: pictures of each page for docs/portal.md."""
    rng = np.random.default_rng(0)
    scene_yx = np.linspace(40, 4000, 96 * 96).reshape(96, 96)
    frames = (100 + 2 * rng.poisson(scene_yx, (20, 96, 96))).astype(np.uint16)
    tifffile.imwrite(tmp_path / "frames.tif", frames, photometric="minisblack")
    with application.client() as api, application.worker():
        about = {"name": "Spinning disc 2", "modality": "spinning disc", "site": "Room 3.14"}
        api.post("/v1/microscopes", json=about).raise_for_status()
        profile = {"name": "fast", "camera": "sCMOS", "gain": 4}
        api.post("/v1/microscopes/Spinning disc 2/profiles", json=profile).raise_for_status()
        query = {"microscope": "Spinning disc 2", "profile": "fast", "role": "calibration"}
        image_id = upload(api, tmp_path / "frames.tif", **query)
        job = run(api, kind="fit_noise_model", image_ids=[image_id])
    gains = [*rng.normal(2.0, 0.015, 12), 2.09, 2.14, 2.17]
    record_gains(application, job["result"]["values"]["noise_model_id"], gains)
    with serving(application.asgi) as own, visit(browser_process, own) as page:
        page.goto("/instruments/Spinning disc 2")
        expect(page.get_by_role("slider")).to_be_visible()
        page.wait_for_load_state("networkidle")
        page.get_by_text("Calibrate or check this camera").click()
        page.set_viewport_size({"width": 1100, "height": 900})
        screenshot(page, "instrument")
        page.goto("/instruments")
        screenshot(page, "instruments")
        page.goto(f"/noise-models/{job['result']['values']['noise_model_id']}")
        page.wait_for_load_state("networkidle")
        screenshot(page, "noise-model")
    with visit(browser_process, url) as page:
        sign_in(page, keyed.make_key("administrator", "admin"))
        page.goto("/keys")
        page.set_viewport_size({"width": 1100, "height": 900})
        screenshot(page, "keys")
