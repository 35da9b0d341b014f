"""The page of a result: what it shows without scripts, and to whom."""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from models_store.contracts.vocabulary import JobState, Output
from models_store.repositories.jobs.rows import get_job
from tests.support.application import Application
from tests.support.posted_jobs import upload
from tests.support.stored_results import store_finished_job, store_report

TRUST = {"verdict": "check", "sentence": "Check this result: <b>neighbours</b> correlate."}
PIXELS_YX = np.random.default_rng(2).poisson(60, (32, 48)).astype("uint16")
OUTPUTS: Mapping[Output, list[np.ndarray]] = {
    Output.POSTERIOR_STD: [np.ones((32, 48), np.float32)],
    Output.DENOISED: [PIXELS_YX.astype("float32")],
}


@pytest.fixture
def image_id(browser: httpx.Client, tmp_path: Path) -> str:
    path = tmp_path / "<script>cells.tif"
    tifffile.imwrite(path, PIXELS_YX)
    return upload(browser, path)


def finished(application: Application, image_id: str, result: dict[str, Any] | None = None) -> str:
    return store_finished_job(application, image_id, dict(OUTPUTS), result={"trust": TRUST} | (result or {}))[
        0
    ]


def images_of(page: httpx.Response) -> Any:
    (data,) = re.findall(r'<script type="application/json" id="images">(.*?)</script>', page.text, re.DOTALL)
    return json.loads(data)


def test_a_result_has_pictures_a_verdict_and_files(
    application: Application, browser: httpx.Client, image_id: str
) -> None:
    page = browser.get(f"/results/{finished(application, image_id)}")
    assert page.status_code == 200
    assert "Check this result: &lt;b&gt;neighbours&lt;/b&gt; correlate." in page.text
    (image,) = images_of(page)
    assert image["planes_href"] == f"/v1/images/{image_id}/planes"
    assert [each["output"] for each in image["outputs"]] == ["denoised", "posterior_std"]
    for each in (image, *image["outputs"]):
        assert browser.get(each["planes_href"]).json()["shape"] == [32, 48]
    files = re.findall(r'<a href="(/v1/artifacts/[^"]+)" download>', page.text)
    assert [browser.get(href).status_code for href in files] == [200, 200]


REPORT = {
    "schema_version": 1,
    **TRUST,
    "channels": [
        {
            "channel": None,
            **TRUST,
            "reasons": ["the noise of <i>neighbours</i> correlates"],
            "removed_noise": {
                "planes_judged": 7,
                "planes_that_do_not_fit": 2,
                "by_signal": [
                    {
                        "signal_adu": signal,
                        "observed_adu": signal,
                        "pixels": 768,
                        "mean": 0.02,
                        "mean_error": 0.03,
                        "variance": variance,
                    }
                    for signal, variance in ((50.0, 1.013), (70.0, 1.29))
                ],
            },
            "choice": {"estimate": "pn2v", "reason": "its estimated error is the lowest"},
            "noise_model": {"id": None, "origin": "bootstrap"},
            "posterior_std": None,
        }
    ],
    "warnings": ["3 hot pixels"],
}


def test_the_report_tells_why(application: Application, browser: httpx.Client, image_id: str) -> None:
    job_id = finished(application, image_id)
    store_report(application, job_id, REPORT)
    page = browser.get(f"/results/{job_id}").text
    assert "<li>The noise of &lt;i&gt;neighbours&lt;/i&gt; correlates</li>" in page
    assert "<dd>pn2v: its estimated error is the lowest</dd>" in page
    assert "<dd>7, of which do not fit: 2</dd>" in page
    assert "<li>3 hot pixels</li>" in page
    assert "<td>70</td><td>1.290</td><td>0.020</td><td>0.03</td><td>768</td>" in page
    (levels,) = re.findall(r'data-levels="([^"]+)"', page)
    assert json.loads(html.unescape(levels)) == REPORT["channels"][0]["removed_noise"]["by_signal"]  # type: ignore[index]


def test_names_of_files_are_text_and_no_script_is_inline(
    application: Application, browser: httpx.Client, image_id: str
) -> None:
    page = browser.get(f"/results/{finished(application, image_id)}")
    assert "&lt;script&gt;cells.tif" in page.text
    assert "<script>cells" not in page.text
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*(src=|application/json))", page.text)
    assert not re.search(r'(?:src|href)="(?!/|#)', page.text)
    for name in re.findall(r'(?:src|href)="(/portal/assets/[^"]+)"', page.text):
        assert browser.get(name).status_code == 200, name


def test_every_module_that_the_viewer_imports_is_there(browser: httpx.Client) -> None:
    waiting, seen = ["/portal/assets/viewer/main.js"], set[str]()
    while waiting:
        address = waiting.pop()
        seen.add(address)
        script = browser.get(address)
        assert script.status_code == 200, address
        found = re.findall(r'^import .* from "([^"]+)"', script.text, re.MULTILINE)
        imported = {str(httpx.URL(f"http://localhost{address}").join(each).path) for each in found}
        waiting += imported - seen
    assert len(seen) > 8


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (JobState.QUEUED, "has not ended"),
        (JobState.CANCELLED, "was cancelled"),
        (JobState.FAILED, "This job has failed. The noise is too strong"),
    ],
)
def test_a_job_without_result_says_why(
    application: Application, browser: httpx.Client, image_id: str, state: JobState, told: str
) -> None:
    job_id = finished(application, image_id)
    with application.database.write() as session:
        job = get_job(session, job_id)
        job.state = state
        job.error = {"code": "job-failed", "detail": "the noise is too strong"} if state == "failed" else None
    page = browser.get(f"/results/{job_id}")
    assert (page.status_code, told in page.text) == (200, True)
    assert f'href="/jobs/{job_id}"' in page.text


def test_results_of_deleted_images_can_only_be_downloaded(
    application: Application, browser: httpx.Client, image_id: str
) -> None:
    job_id = finished(application, image_id)
    browser.delete(f"/v1/images/{image_id}", headers={"X-ClearScope-Portal": "1"}).raise_for_status()
    page = browser.get(f"/results/{job_id}")
    assert images_of(page)[0]["planes_href"] is None
    assert page.text.count(" download>") == 2


def test_a_missing_result_is_told_as_a_page(browser: httpx.Client) -> None:
    page = browser.get("/results/job_none")
    assert page.status_code == 404
    assert "<h1>Not found</h1>" in page.text


def test_the_page_needs_a_key(visitor: httpx.Client) -> None:
    answer = visitor.get("/results/job_none")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=%2Fresults%2Fjob_none")


def test_results_of_other_microscopes_are_not_found(
    keyed: Application, visitor: httpx.Client, tmp_path: Path
) -> None:
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, PIXELS_YX)
    with keyed.client(keyed.make_key("all", "admin")) as api:
        for name in ("ours", "theirs"):
            api.post("/v1/microscopes", json={"name": name}).raise_for_status()
        job_id = finished(keyed, upload(api, path, microscope="theirs"))
    for microscope, status in (("theirs", 200), ("ours", 404)):
        key = keyed.make_key(f"of {microscope}", "read", microscopes=[microscope])
        page = visitor.get(f"/results/{job_id}", headers={"Authorization": f"Bearer {key}"})
        assert page.status_code == status, microscope
        assert ("cells.tif" in page.text) is (status == 200)
