"""What the pixels of an image warn of is told at upload, in preflight and by the job."""

from contextlib import AbstractContextManager
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile

from app.http.failed_surveys import MAX_TRIES
from models_store.errors import (
    ImageCorruptError,
    ImageTooLargeError,
    ReaderFailedError,
    UnavailableError,
)
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.isolated_planes import IsolatedPlanes
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.isolation.reading_limits import ReadingLimits
from tests.support.application import Application
from tests.support.microscope_files import ome_document, ome_image, write_pages
from tests.support.posted_jobs import TINY, artifact, run, upload
from worker.engine.simulation import simulate_specimen


def test_defects_are_told_before_and_after_the_work(application: Application, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    planes = (100 + 2 * rng.poisson(30.0, (6, 40, 32))).astype(np.uint16)
    planes[::2] = 0
    planes[1, 10, 20] = 60000
    path = tmp_path / "shutter.tif"
    tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": "TYX"})
    with application.worker(), application.client() as api:
        image_id = upload(api, path)
        document = api.get(f"/v1/images/{image_id}").json()
        told, survey = document["warnings"], document["survey"]
        assert (survey["planes"], survey["empty_planes"], survey["outliers_px"]) == (6, 3, 1)
        # 30 photons of 2 ADU each.
        line = survey["noise_line"]
        assert line["gain_adu"] * 160 + line["intercept_adu2"] == pytest.approx(120, rel=0.3)
        assert [each for each in told if "3 of 6 planes looked at are empty" in each]
        assert [each for each in told if each.startswith("1 of 3840 pixels")]
        spec = {"kind": "denoise", "image_ids": [image_id], "budget": TINY, "outputs": ["denoised"]}
        assert api.post("/v1/jobs/preflight", json=spec).json()["warnings"] == told
        job = run(api, **spec, keep_hot_pixels=True, output_dtype="same")
        assert set(told) <= set(job["result"]["values"]["warnings"])
        (tmp_path / "result.tif").write_bytes(artifact(api, job, "shutter_denoised.tif"))
    result = tifffile.imread(tmp_path / "result.tif")
    assert not result[::2].any()
    assert result[1, 10, 20] == 60000


def test_what_was_not_surveyed_in_time_is_surveyed_with_its_preview_or_by_a_job(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planes = (100 + 2 * np.random.default_rng(2).poisson(30.0, (6, 40, 32))).astype(np.uint16)
    path = tmp_path / "shutter.tif"
    told = "2 of 6 planes looked at are empty"
    with application.client() as api:
        image_ids = []
        for empty in (1, 2):
            planes[:2] = 7 * empty
            tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": "TYX"})
            with monkeypatch.context() as busy:
                busy.setattr(IsolatedPlanes, "survey", Mock(side_effect=ImageCorruptError("too late")))
                image_ids.append(upload(api, path))

        def warnings_of(image_id: str) -> str:
            return " ".join(api.get(f"/v1/images/{image_id}").json()["warnings"])

        assert all("not been surveyed yet" in warnings_of(image_id) for image_id in image_ids)
        assert api.get(f"/v1/images/{image_ids[0]}/preview.png").content.startswith(b"\x89PNG")
        spec = {"kind": "denoise", "image_ids": image_ids[1:], "preset": "instant", "outputs": ["denoised"]}
        assert "not been surveyed yet" in api.post("/v1/jobs/preflight", json=spec).text
        with application.worker():
            job = run(api, **spec)
        assert told in " ".join(job["result"]["values"]["warnings"])
        for image_id in image_ids:
            assert told in warnings_of(image_id)
            assert "not been surveyed yet" not in warnings_of(image_id)


def test_a_preview_that_is_there_is_returned_even_if_its_image_cannot_be_surveyed(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, np.random.default_rng(3).poisson(30.0, (40, 32)).astype(np.uint16))
    limits: list[ReadingLimits] = []
    reader = Isolation.reader

    def limited(isolation: Isolation, given: ReadingLimits) -> AbstractContextManager[Reader]:
        limits.append(given)
        return reader(isolation, given)

    with application.client() as api:
        with monkeypatch.context() as busy:
            busy.setattr(IsolatedPlanes, "survey", Mock(side_effect=ImageCorruptError("too late")))
            image_id = upload(api, path)
        preview = f"/v1/images/{image_id}/preview.png"
        for error in (ImageTooLargeError, ReaderFailedError, UnavailableError):
            with monkeypatch.context() as failing:
                failing.setattr(Reader, "open", Mock(side_effect=error("not now")))
                assert api.get(preview).status_code == 200
        assert "not been surveyed yet" in api.get(f"/v1/images/{image_id}").text
        monkeypatch.setattr(Isolation, "reader", limited)
        assert api.get(preview).content.startswith(b"\x89PNG")
        assert "not been surveyed yet" not in api.get(f"/v1/images/{image_id}").text
    assert [each.processor_s for each in limits] == [application.settings.inspection_timeout_s]


def test_an_image_that_cannot_be_surveyed_is_tried_three_times(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, np.random.default_rng(3).poisson(30.0, (40, 32)).astype(np.uint16))
    survey = Mock(side_effect=ImageCorruptError("too late"))
    monkeypatch.setattr(IsolatedPlanes, "survey", survey)
    with application.client() as api:
        image_id = upload(api, path)
        survey.reset_mock()
        for _ in range(MAX_TRIES + 2):
            assert api.get(f"/v1/images/{image_id}/preview.png").status_code == 200
    assert survey.call_count == MAX_TRIES


def test_an_image_of_ordinary_pixels_warns_of_nothing(application: Application, tmp_path: Path) -> None:
    noisy = 100 + 2 * np.random.default_rng(2).poisson(30.0, (40, 32))
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, noisy.astype(np.uint16))
    with application.client() as api:
        assert api.get(f"/v1/images/{upload(api, path)}").json()["warnings"] == []


def test_preflight_does_not_advise_a_mask_that_the_job_has(application: Application, tmp_path: Path) -> None:
    noise = np.random.default_rng(3).normal(0, 20, (256, 257))
    path = tmp_path / "correlated.tif"
    tifffile.imwrite(path, (1000 + noise[:, 1:] + 0.7 * noise[:, :-1]).astype(np.uint16))
    with application.client() as api:
        spec = {"kind": "denoise", "image_ids": [upload(api, path)]}
        (warning,) = api.post("/v1/jobs/preflight", json=spec).json()["warnings"]
        assert "structured mask along x" in warning
        masked = {**spec, "structured_mask": {"x_px": 1}}
        assert api.post("/v1/jobs/preflight", json=masked).json()["warnings"] == []


def test_another_exposure_of_some_planes_is_told(application: Application, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    photons = 4 + 60 * simulate_specimen((64, 64), seed=3)
    factors = [10.0 if frame == 3 else 1.0 for frame in range(8)]
    movie = np.array([100 + 2 * rng.poisson(photons * factor) for factor in factors])
    path = tmp_path / "flash.tif"
    tifffile.imwrite(path, movie.astype(np.uint16), imagej=True, metadata={"axes": "TYX"})
    with application.client() as api:
        image_id = upload(api, path)
        document = api.get(f"/v1/images/{image_id}").json()
        (warning,) = document["warnings"]
        assert warning.startswith("1 of 8 planes looked at has 10 times the light of those beside them")
        brightness = document["survey"]["brightness"]
        assert (brightness["far_planes"], brightness["first_far"]) == (1, [3])
        spec = {"kind": "denoise", "image_ids": [image_id]}
        assert api.post("/v1/jobs/preflight", json=spec).json()["warnings"] == [warning]


@pytest.mark.parametrize(("gains", "told"), [((0.5, 4.0, 30.0), True), ((1.0, 2.0, 4.0), False)])
def test_channels_that_differ_are_told(
    application: Application, tmp_path: Path, gains: tuple[float, ...], *, told: bool
) -> None:
    photons = np.random.default_rng(5).poisson(30.0, (len(gains), 64, 64))
    planes = np.rint(100 + np.array(gains)[:, None, None] * photons).astype(np.uint16)
    path = tmp_path / "dyes.tif"
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "CYX"})
    with application.client() as api:
        warnings = api.get(f"/v1/images/{upload(api, path)}").json()["warnings"]
    found = [each for each in warnings if each.startswith("channels differ: the noise of channel 3")]
    assert len(found) == told


def test_images_of_several_exposures_in_one_job_are_told(application: Application, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    with application.client() as api:
        image_ids = []
        for exposure_ms in (10, 100):
            plane = f'<Plane TheZ="0" TheC="0" TheT="0" ExposureTime="{exposure_ms}" ExposureTimeUnit="ms"/>'
            content = f'<Channel ID="Channel:0:0"/><TiffData/>{plane}'
            xml = ome_document(ome_image(0, {"C": 1}, content))
            noisy = (100 + 2 * rng.poisson(exposure_ms, (1, 32, 40))).astype(np.uint16)
            image_ids.append(upload(api, write_pages(tmp_path / f"{exposure_ms}.ome.tif", noisy, xml)))
        spec = {"kind": "denoise", "image_ids": image_ids, "preset": "paper"}
        told = api.post("/v1/jobs/preflight", json=spec).json()["warnings"]
        assert any("exposed for 0.01 to 0.1 s" in warning for warning in told)
        # Nothing is trained for them together, or on one of them alone.
        for other in ({"preset": "fast"}, {"preset": "instant"}, {"image_ids": image_ids[:1]}):
            told = api.post("/v1/jobs/preflight", json=spec | other).json()["warnings"]
            assert not any("exposed" in warning for warning in told)
