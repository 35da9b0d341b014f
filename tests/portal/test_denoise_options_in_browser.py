"""Options of jobs on the first page, in Chromium: what is chosen is what the server plans and gets."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.application import Application
from tests.support.browser import chromium, require_accessible, visit
from tests.support.dyes import planes_of_dyes, write_dyes
from tests.support.event_streams import serving
from tests.support.lif_files import LifImage, write_lif
from tests.support.published_files import import_model


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def api(application: Application) -> Iterator[httpx.Client]:
    """A program that asks the application of the pages, which has no worker."""
    with application.client() as api:
        api.post("/v1/microscopes", json={"name": "Optics"}).raise_for_status()
        yield api


@pytest.fixture(scope="module")
def url(application: Application, api: httpx.Client) -> Iterator[str]:  # noqa: ARG001  # microscopes first
    with serving(application.asgi) as url:
        yield url


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    with visit(browser, url) as page:
        page.goto("/")
        expect(page.locator("html[data-ready]")).to_be_attached()
        yield page


def send(page: Page, *paths: Path) -> None:
    page.set_input_files("#files", list(paths))
    for path in paths:
        expect(row(page, path.name)).to_have_attribute("data-state", "finished")
    expect(planned(page)).to_contain_text("What will be done")


def row(page: Page, name: str) -> Locator:
    return page.locator("li.upload", has_text=name)


def planned(page: Page) -> Locator:
    return page.locator("#planned")


def posted_specs(page: Page, api: httpx.Client) -> list[dict[str, Any]]:
    """Return the specs of the jobs that the page has just posted, newest first."""
    page.wait_for_url("**/jobs**")
    jobs = api.get("/v1/jobs").json()
    if "/jobs/" in page.url:
        jobs = [each for each in jobs if page.url.endswith(each["id"])]
    return [each["spec"] for each in jobs]


@pytest.mark.slow
def test_a_stored_version_for_one_channel_and_its_refusal(
    page: Page, api: httpx.Client, tmp_path: Path
) -> None:
    version = import_model(api, microscope="Optics", channel="GFP")
    write_dyes(tmp_path / "dyes.ome.tif", planes_of_dyes())
    page.get_by_label("Microscope").select_option("Optics")
    send(page, tmp_path / "dyes.ome.tif")
    page.get_by_text("Options", exact=True).press("Enter")
    page.get_by_label("A stored version").check()
    require_accessible(page)
    choice = page.get_by_label("Noise model of GFP")
    label = f"version 1, imported, {version['created_at'][:10]}, for GFP, active"
    expect(page.get_by_label("Noise model of DAPI").get_by_role("option")).to_have_text(["automatic"])
    choice.select_option(label)
    expect(planned(page)).to_contain_text("does not explain the noise")
    expect(planned(page)).to_contain_text(
        "check the box “Use it even if it does not explain the noise of the image”"
    )
    expect(planned(page)).not_to_contain_text("force")
    page.get_by_label("Use it even if it does not explain the noise").check()
    expect(planned(page)).to_contain_text("named in the job")
    expect(page.get_by_text("Options (changed)")).to_be_visible()
    row(page, "dyes.ome.tif").get_by_role("button", name="Denoise this image").click()
    (spec,) = posted_specs(page, api)
    assert (spec["noise_model"], spec["force"]) == ([None, version["id"], None], True)


def test_one_channel_other_results_and_training_from_nothing(
    page: Page, api: httpx.Client, tmp_path: Path
) -> None:
    write_dyes(tmp_path / "dyes.ome.tif", planes_of_dyes())
    page.get_by_label("Microscope").select_option("What the file tells")
    send(page, tmp_path / "dyes.ome.tif")
    page.get_by_text("Options", exact=True).click()
    expect(page.get_by_label("A stored version")).to_be_disabled()
    expect(page.get_by_text("the image has no microscope.")).to_be_visible()
    page.get_by_label("Channels").select_option("only Cy5")
    page.get_by_label("Uncertainty map").uncheck()
    page.get_by_label("The two estimates of PN2V").check()
    page.get_by_label("Leave hot and dead pixels").check()
    page.get_by_label("File format").select_option("OME-TIFF")
    page.get_by_label("Values").select_option("As the image has them")
    page.get_by_label("From nothing", exact=True).check()
    page.get_by_label("Train PN2V from nothing").check()
    page.get_by_text("What will be done").click()
    expect(planned(page)).to_contain_text("the job says prior none")
    expect(planned(page)).to_contain_text("the job names another channel")
    page.locator("#denoise-all").click()
    (spec,) = posted_specs(page, api)
    wanted = {
        "channel": 2,
        "outputs": ["denoised", "prior_mean", "mmse"],
        "keep_hot_pixels": True,
        "output_format": "ome-tiff",
        "output_dtype": "same",
        "reuse": "none",
        "prior": "none",
    }
    assert {name: spec[name] for name in wanted} == wanted


def test_choices_that_a_preset_rules_out_are_taken_back(page: Page, noisy_tiff: Path) -> None:
    send(page, noisy_tiff)
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Train PN2V from nothing").check()
    page.get_by_label("Instant").check()
    expect(page.get_by_label("Train PN2V from nothing")).to_be_disabled()
    expect(page.get_by_label("Adapt a trained network")).to_be_checked()
    expect(page.get_by_label("The two estimates of PN2V")).to_be_disabled()
    expect(planned(page)).to_contain_text("What will be done")
    expect(planned(page).locator(".bad")).to_have_count(0)
    expect(page.get_by_label("Channels")).to_be_hidden()


def test_images_of_a_file_are_chosen(page: Page, api: httpx.Client, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).poisson(50, (48, 64)).astype(np.uint16)
    step_um = {"X": 0.1, "Y": 0.1}
    names = ("a", "<b>", "c")
    scans = [LifImage(name, "YX", pixels + at, step_um) for at, name in enumerate(names)]
    scans.insert(1, LifImage("small", "YX", np.ones((8, 8), np.uint16), step_um))
    path = write_lif(tmp_path / "scans.lif", scans)
    send(page, path)
    found = row(page, path.name)
    expect(found).to_contain_text("cannot be denoised: the image is 8 x 8 pixels")
    require_accessible(page)
    found.get_by_label("All", exact=True).uncheck()
    expect(planned(page)).to_contain_text("Choose at least one image")
    expect(found.get_by_role("button", name="Denoise this image")).to_be_disabled()
    found.get_by_label("<b>").check()
    expect(planned(page)).to_contain_text("What will be done")
    found.get_by_role("button", name="Denoise this image").click()
    (spec,) = posted_specs(page, api)
    series = next(each for each in api.get("/v1/images").json() if each["filename"] == path.name)["series"]
    assert spec["image_ids"] == [each["image_id"] for each in series if "<b>" in each["name"]]


@pytest.mark.slow
@pytest.mark.parametrize("together", [False, True])
def test_all_images_are_denoised(
    page: Page, api: httpx.Client, noisy_tiff: Path, tmp_path: Path, *, together: bool
) -> None:
    paths = [Path(shutil.copy(noisy_tiff, tmp_path / f"{together} {number}.tif")) for number in range(2)]
    send(page, *paths)
    page.get_by_label("Instant").check()
    page.get_by_label("Learn from all images together").set_checked(together)
    expect(planned(page)).to_contain_text("What will be done")
    page.get_by_role("button", name="Denoise all 2 images").click()
    specs = posted_specs(page, api)
    ids = {each["filename"]: each["id"] for each in api.get("/v1/images").json()}
    wanted = [ids[path.name] for path in paths]
    found = [specs[0]["image_ids"]] if together else [each["image_ids"] for each in specs[:2]]
    assert [len(each) for each in found] == ([2] if together else [1, 1])
    assert {image_id for each in found for image_id in each} == set(wanted)
