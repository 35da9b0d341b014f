"""The viewer of a result in real Chromium."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
from playwright.sync_api import Browser, Page, expect

from models_store.contracts.vocabulary import Output
from tests.support.application import Application
from tests.support.browser import chromium, require_accessible, screenshot, visit
from tests.support.event_streams import serving
from tests.support.posted_jobs import upload, wait_for
from tests.support.stored_results import store_finished_job, store_report
from tests.support.textures import texture

TRUST = {"verdict": "check", "sentence": "Check this result: the noise of neighbouring pixels correlates."}
CHANNELS = ("DAPI", "GFP")
REPORT = {
    **TRUST,
    "channels": [
        {
            "channel": None,
            **TRUST,
            "reasons": ["the noise of neighbouring pixels correlates"],
            "removed_noise": {
                "planes_judged": 6,
                "planes_that_do_not_fit": 1,
                "by_signal": [
                    {
                        "signal_adu": 110.0 + 12 * level,
                        "observed_adu": 110.0 + 12 * level,
                        "pixels": 38_400,
                        "mean": 0.004 * level,
                        "mean_error": 0.005,
                        "variance": 0.98 + 0.004 * level**2,
                    }
                    for level in range(12)
                ],
            },
            "choice": {"estimate": "mmse", "reason": "its estimated error is the lowest"},
            "noise_model": {"id": None, "origin": "bootstrap"},
            "posterior_std": {"mean_adu": 3.1},
        }
    ],
    "warnings": [],
}
"""Whose noise has more variance than its noise model at high signals."""


@pytest.fixture(scope="module")
def browser_process() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def url(application: Application) -> Iterator[str]:
    with serving(application.asgi) as url:
        yield url


@pytest.fixture(scope="module")
def job_id(application: Application, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A job with the result of a stack of three depths and two channels."""
    rng = np.random.default_rng(4)
    light = np.stack([texture(10, 5, seed, 320)[:240] for seed in range(6)])
    path = tmp_path_factory.mktemp("viewed") / "cells.ome.tif"
    metadata: dict[str, Any] = {
        "axes": "ZCYX",
        "PhysicalSizeX": 0.1,
        "PhysicalSizeY": 0.1,
        "Channel": {"Name": list(CHANNELS)},
    }
    noisy = (100 + 2 * rng.poisson(light)).astype("uint16").reshape(3, 2, 240, 320)
    tifffile.imwrite(path, noisy, ome=True, photometric="minisblack", metadata=metadata)
    outputs: dict[Output, Iterable[np.ndarray]] = {
        Output.DENOISED: (100 + 2 * light).astype("float32"),
        Output.POSTERIOR_STD: np.sqrt(light).astype("float32"),
    }
    with application.client() as api:
        job_id = store_finished_job(application, upload(api, path), outputs, result={"trust": TRUST})[0]
    store_report(application, job_id, REPORT)
    return job_id


def wait_for_pictures(page: Page, plane: int) -> None:
    page.wait_for_selector(f"#stage[data-ready][data-plane='{plane}']")


def shade(page: Page, pane: str) -> float:
    """Return the mean of a pane's picture around its centre, from 0 to 255."""
    mean: float = page.evaluate(
        """(pane) => {
            const shown = document.querySelector(`#${pane} canvas`);
            const copy = new OffscreenCanvas(80, 80).getContext("2d", { willReadFrequently: true });
            copy.drawImage(shown, 40 - shown.width / 2, 40 - shown.height / 2);
            const colours = copy.getImageData(0, 0, 80, 80).data;
            const reds = colours.filter((_, index) => index % 4 === 0);
            return reds.reduce((sum, red) => sum + red, 0) / reds.length;
        }""",
        pane,
    )
    return mean


def test_a_result_is_compared_with_its_image(url: str, job_id: str, browser_process: Browser) -> None:
    with visit(browser_process, url) as page:
        page.goto(f"/results/{job_id}")
        expect(page.get_by_text(TRUST["sentence"])).to_be_visible()
        wait_for_pictures(page, 2)
        require_accessible(page)
        assert shade(page, "right") > 20
        page.locator("#stage").focus()
        page.keyboard.press("ArrowRight")
        wait_for_pictures(page, 4)
        page.locator("#axes").get_by_label("Channel").select_option(label="GFP")
        wait_for_pictures(page, 5)
        bright = shade(page, "left")
        page.get_by_label("White, in ADU").fill("9000")
        page.keyboard.press("Enter")
        wait_for(lambda: shade(page, "left") < bright / 2, "the picture becomes dark")
        page.locator("#stage").focus()
        page.keyboard.press("2")
        expect(page.get_by_label("Side by side")).to_be_checked()
        page.keyboard.press("r")
        expect(page.locator("#right-tag")).to_have_text("Residual (observation - result)")
        page.get_by_text("Line profile").click()
        for label, value in (("From X", 10), ("From Y", 20), ("To X", 110), ("To Y", 20)):
            page.get_by_label(label).fill(str(value))
        page.get_by_role("button", name="Show the profile").click()
        expect(page.get_by_text("Profile over 101 places, 10 µm long.")).to_be_visible()
        require_accessible(page)


def test_what_cannot_be_loaded_is_told(url: str, job_id: str, browser_process: Browser) -> None:
    def look_at_nothing() -> None:
        with visit(browser_process, url) as page:
            page.route("**/tiles/**", lambda route: route.fulfill(status=503))
            page.goto(f"/results/{job_id}")
            expect(page.get_by_role("alert")).to_have_text("A part of the picture could not be loaded.")
            expect(page.get_by_text("Loading…")).to_be_hidden()

    with pytest.raises(AssertionError, match="failed to load"):  # which the library tells the console, too
        look_at_nothing()


def test_a_result_without_its_image_is_shown_alone(
    application: Application, url: str, tmp_path: Path, browser_process: Browser
) -> None:
    path = tmp_path / "short.tif"
    tifffile.imwrite(path, np.random.default_rng(0).poisson(40, (64, 64)).astype("uint16"))
    with application.client() as api:
        image_id = upload(api, path)
        outputs: dict[Output, Iterable[np.ndarray]] = {Output.DENOISED: [tifffile.imread(path)]}
        alone = store_finished_job(application, image_id, outputs)[0]
        api.delete(f"/v1/images/{image_id}").raise_for_status()
    with visit(browser_process, url) as page:
        page.goto(f"/results/{alone}")
        wait_for_pictures(page, 0)
        expect(page.get_by_text("shown without it")).to_be_visible()
        expect(page.locator("#left-tag")).to_have_text("Denoised")
        assert shade(page, "left") > 20


def colour(page: Page, pane: str) -> list[float]:
    """Return the mean red, green and blue of a pane's picture around its centre, from 0 to 255."""
    means: list[float] = page.evaluate(
        """(pane) => {
            const shown = document.querySelector(`#${pane} canvas`);
            const copy = new OffscreenCanvas(80, 80).getContext("2d", { willReadFrequently: true });
            copy.drawImage(shown, 40 - shown.width / 2, 40 - shown.height / 2);
            const values = copy.getImageData(0, 0, 80, 80).data;
            const of = (at) => values.filter((_, index) => index % 4 === at);
            return [0, 1, 2].map((at) => of(at).reduce((sum, value) => sum + value, 0) / 6400);
        }""",
        pane,
    )
    return means


@pytest.mark.slow
def test_channels_are_added_up_in_their_colours(url: str, job_id: str, browser_process: Browser) -> None:
    with visit(browser_process, url) as page:
        page.goto(f"/results/{job_id}")
        wait_for_pictures(page, 2)
        page.get_by_label("Blend channels in colours").check()
        for name, value in (("DAPI", "#0000ff"), ("GFP", "#00ff00")):
            page.get_by_label(f"Colour of {name}").fill(value)
        wait_for_pictures(page, 2)

        def both() -> bool:
            return all(
                red < 1 and green > 20 and blue > 20
                for red, green, blue in (colour(page, pane) for pane in ("left", "right"))
            )

        wait_for(both, "green and blue are added up")
        page.get_by_role("checkbox", name="GFP").uncheck()
        wait_for(lambda: colour(page, "left")[1] < 1, "green is gone")
        assert colour(page, "left")[2] > 20
        page.get_by_role("checkbox", name="GFP").check()
        page.locator("#axes").get_by_label("Channel").select_option(label="GFP")
        wait_for_pictures(page, 3)
        wait_for(both, "the other channel's contrast is chosen")
        before = colour(page, "left")
        page.get_by_label("White, in ADU").fill("9000")
        page.keyboard.press("Enter")
        wait_for(lambda: colour(page, "left")[1] < before[1] / 2, "green becomes dark")
        assert colour(page, "left")[2] == pytest.approx(before[2], abs=2)
        require_accessible(page)
        page.get_by_label("Compare with").select_option(label="Residual (observation - result)")
        wait_for_pictures(page, 3)
        assert min(colour(page, "right")) > 100  # white in the middle


def test_other_channels_are_offered_by_their_own_names(
    url: str, job_id: str, browser_process: Browser
) -> None:
    with visit(browser_process, url) as page:
        page.goto(f"/results/{job_id}")
        wait_for_pictures(page, 2)
        names = page.evaluate(
            """async () => {
                const main = document.querySelector("script[src*='viewer/main.js']").src;
                const { Blend } = await import(main.replace("main.js", "blend.js"));
                const [choice, list] = ["blend", "blended"].map((id) => document.getElementById(id));
                const blend = new Blend(choice, list, () => {});
                return [["DAPI", "GFP"], ["Cy3", "Cy5"]].map((names) => {
                    blend.offer({ axes: "CYX", channels: names.map((name) => ({ name, colour: null })) });
                    return [...list.querySelectorAll("label")].map((label) => label.textContent.trim());
                });
            }"""
        )
    assert names == [["DAPI", "GFP"], ["Cy3", "Cy5"]]


def test_links_for_other_programs_are_made_on_the_page(
    url: str, job_id: str, browser_process: Browser
) -> None:
    with visit(browser_process, url) as page:
        page.goto(f"/results/{job_id}")
        wait_for_pictures(page, 2)
        page.get_by_text("Open in napari, neuroglancer or vizarr").click()
        page.get_by_role("button", name="Make links to what is shown").click()
        expect(page.get_by_role("heading", name="Links to Denoised")).to_be_visible()
        commands = page.get_by_role("textbox", name="In napari, with the plugin napari-ome-zarr")
        expect(commands).to_have_count(2)
        for command, name in zip(commands.all(), ("image", "result"), strict=True):
            _, href, _ = command.input_value().split('"')
            assert href.startswith(f"{url}/v1/")
            assert href.endswith(f"/{name}.ome.zarr")
            assert httpx.get(f"{href}/0/.zarray").json()["shape"] == [2, 3, 240, 320]
        require_accessible(page)
        valid = page.locator("#valid-links li")
        expect(valid).to_have_count(2)
        observation = valid.filter(has_text="Observation: made ")
        observation.get_by_role("button", name="End the link to Observation").click()
        expect(page.locator("#links-told")).to_contain_text("has ended")
        expect(valid).to_have_count(1)
        expect(commands).to_have_count(1)
        page.get_by_role("button", name="Make links to what is shown").click()
        expect(valid).to_have_count(3)
        _, href, _ = commands.last.input_value().split('"')
        page.get_by_role("button", name="End all links to Denoised").click()
        expect(page.locator("#links-told")).to_contain_text("All links to Denoised have ended")
        expect(commands).to_have_count(1)
        made = page.get_by_role("button", name="Make links to what is shown")
        made.click()
        expect(commands).to_have_count(2)
        _, again, _ = commands.last.input_value().split('"')
        assert again != href


def test_valid_links_are_listed_by_what_they_lead_to(url: str, job_id: str, browser_process: Browser) -> None:
    """What is removed and the result have their links in one list of the server."""
    (artifact,) = (
        each["href"].removesuffix("/content")
        for each in httpx.get(f"{url}/v1/jobs/{job_id}").json()["result"]["artifacts"]
        if each["output"] == "denoised"
    )
    httpx.delete(f"{url}{artifact}/zarr").raise_for_status()
    for layer in ("result", "residual"):
        httpx.post(f"{url}{artifact}/zarr", params={"layer": layer}).raise_for_status()
    with visit(browser_process, url) as page:
        page.goto(f"/results/{job_id}")
        wait_for_pictures(page, 2)
        page.get_by_text("Open in napari, neuroglancer or vizarr").click()
        of_result = page.locator("#valid-links li").filter(has_not_text="Observation: ")
        expect(of_result).to_contain_text(["Residual (observation - result): made ", "Denoised: made "])
        page.select_option("#layer", "posterior_std")
        expect(of_result).to_have_count(0)
        page.select_option("#layer", "residual")
        expect(of_result).to_contain_text(["Residual (observation - result): made ", "Result: made "])


def test_removed_noise_is_plotted_by_signal(url: str, job_id: str, browser_process: Browser) -> None:
    with visit(browser_process, url) as page:
        page.goto(f"/results/{job_id}")
        for name in ("Variance, relative to the noise model", "Mean, in standard deviations of the noise"):
            plot = page.get_by_role("img", name=name)
            expect(plot.locator("canvas")).to_be_visible()
            drawn = plot.locator("canvas").evaluate(
                """(canvas) => {
                    const { width, height } = canvas;
                    const colours = canvas.getContext("2d").getImageData(0, 0, width, height).data;
                    const is = (at) => colours[at] > 180 && colours[at + 1] < 90 && colours[at + 2] < 40;
                    return colours.filter((_, at) => at % 4 === 0 && is(at)).length;
                }"""
            )
            assert drawn > 100, "the line of the measured values"
        page.get_by_text("The same as a table").click()
        expect(page.locator(".wide-table").get_by_role("row")).to_have_count(13)


@pytest.mark.e2e
def test_pictures_of_the_viewer(url: str, job_id: str, browser_process: Browser) -> None:
    with visit(browser_process, url) as page:
        page.goto(f"/results/{job_id}")
        wait_for_pictures(page, 2)
        screenshot(page, "result")
        page.get_by_label("Blend channels in colours").check()
        page.get_by_label("Side by side").check()
        wait_for_pictures(page, 2)
        page.wait_for_timeout(500)
        page.locator("#viewer").scroll_into_view_if_needed()
        screenshot(page, "result-colours")
