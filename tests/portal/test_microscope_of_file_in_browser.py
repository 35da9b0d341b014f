"""The microscope that a file tells, on the first page in Chromium: pre-filled, changed, registered."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.application import Application
from tests.support.browser import chromium, require_accessible, visit
from tests.support.event_streams import serving
from tests.support.microscope_files import camera_file
from tests.support.posted_jobs import upload


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def api(application: Application, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A program that has registered two microscopes; one has images of the camera 0042."""
    folder = tmp_path_factory.mktemp("known")
    with application.client() as api:
        for name in ("Disc 1", "Disc 2"):
            api.post("/v1/microscopes", json={"name": name}).raise_for_status()
        upload(api, camera_file(folder / "known.ome.tif", "4"), microscope="Disc 1")
        yield api


@pytest.fixture
def page(browser: Browser, application: Application, api: httpx.Client) -> Iterator[Page]:  # noqa: ARG001  # first
    with serving(application.asgi) as url, visit(browser, url) as page:
        page.goto("/")
        expect(page.locator("html[data-ready]")).to_be_attached()
        yield page


def send(page: Page, path: Path) -> Locator:
    page.set_input_files("#files", path)
    row = page.locator("li.upload", has_text=path.name)
    expect(row).to_have_attribute("data-state", "finished")
    return row


def microscope(row: Locator) -> Locator:
    return row.get_by_role("combobox", name="Microscope: ")


def origin_of(api: httpx.Client, path: Path) -> str | None:
    found = next(each for each in api.get("/v1/images").json() if each["filename"] == path.name)
    return found["origin"]["microscope"] if found["origin"] else None


def test_the_camera_in_the_file_tells_the_microscope(page: Page, api: httpx.Client, tmp_path: Path) -> None:
    path = camera_file(tmp_path / "cells.ome.tif", "8")
    row = send(page, path)
    expect(microscope(row)).to_have_value("Disc 1")
    expect(row).to_contain_text("From the file: the camera Hamamatsu ORCA Flash, serial number 0042")
    require_accessible(page)
    assert origin_of(api, path) == "Disc 1"
    microscope(row).select_option("Disc 2")
    expect(row.locator("dl")).to_contain_text("of Disc 2, by the settings in the file")
    assert origin_of(api, path) == "Disc 2"
    expect(page.locator("#planned")).to_contain_text("What will be done")
    row.get_by_role("button", name="Denoise this image").click()
    page.wait_for_url("**/jobs/*")


def test_another_microscope_than_the_file_tells_is_asked_about(
    page: Page, api: httpx.Client, tmp_path: Path
) -> None:
    upload(api, camera_file(tmp_path / "earlier.ome.tif", "4", serial="50"), microscope="Disc 1")
    page.locator("#microscope").select_option("Disc 2")
    row = send(page, camera_file(tmp_path / "other.ome.tif", "4", serial="50"))
    expect(row).to_contain_text("which is of Disc 1. Is this the right microscope?")
    expect(microscope(row)).to_have_value("Disc 2")


@pytest.mark.slow
def test_an_unknown_camera_is_told_and_its_microscope_registered(
    page: Page, api: httpx.Client, tmp_path: Path
) -> None:
    path = camera_file(tmp_path / "new.ome.tif", "4", serial="0099")
    row = send(page, path)
    expect(row).to_contain_text("serial number 0099, which no registered microscope has.")
    row.get_by_text("Register its microscope").click()
    require_accessible(page)
    row.get_by_label("Name of the microscope").fill("Disc 1")
    row.get_by_role("button", name="Register", exact=True).click()
    expect(row.get_by_role("alert")).to_contain_text("exists already")
    row.get_by_label("Name of the microscope").fill("Disc 3")
    row.get_by_role("button", name="Register", exact=True).click()
    expect(microscope(row)).to_have_value("Disc 3")
    expect(row.get_by_role("alert")).to_be_hidden()
    assert origin_of(api, path) == "Disc 3"
    again = send(page, camera_file(tmp_path / "again.ome.tif", "2", serial="0099"))
    expect(microscope(again)).to_have_value("Disc 3")


def test_a_file_that_tells_nothing_says_so(page: Page, noisy_tiff: Path) -> None:
    row = send(page, noisy_tiff)
    expect(row).to_contain_text("The file tells neither its microscope nor its camera.")
    expect(microscope(row)).to_have_value("")
