"""Files and arrays go to the real application and come back denoised, from either client."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest
import tifffile

from clearscope_client import AsyncClearScope, ClearScope, Conduct, Denoised, ImageArray, PixelSize, Progress
from clearscope_client.errors import ArrayUnsupportedError, InvalidRequestError, JobFailedError
from tests.support.application import Application
from tests.support.client_transports import IMPATIENT, URL, InProcess, Losing, connected

INSTANT: dict[str, Any] = {"microscope": "Scope", "preset": "instant"}


@pytest.fixture(scope="module")
def worker(application: Application) -> Iterator[None]:
    with application.worker():
        yield


@pytest.fixture(scope="module")
def client(application: Application) -> Iterator[ClearScope]:
    with connected(application) as client:
        client.ensure_microscope("Scope")
        yield client


def noisy(*shape: int) -> np.ndarray:
    y, x = np.mgrid[: shape[-2], : shape[-1]] / 8
    rng = np.random.default_rng(0)
    return np.asarray(100 + rng.poisson(40 + 30 * np.sin(y) * np.cos(x), shape), np.uint16)


@pytest.mark.usefixtures("worker")
def test_a_file_comes_back_as_files_and_arrays(client: ClearScope, noisy_tiff: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    denoised = client.denoise(
        noisy_tiff,
        **INSTANT,
        settings={"camera": "sCMOS", "gain": 2},
        output=tmp_path / "results",
        on_progress=told.append,
    )
    assert denoised.image.profile_choice == "settings"
    assert denoised.trust is not None
    assert denoised.trust.sentence
    saved = {each.name for each in (tmp_path / "results").iterdir()}
    assert {"noisy_denoised.tif", "noisy_posterior_std.tif", "trust-report.json"} < saved
    result = denoised.array()
    assert (result.axes, result.pixels.shape) == ("YX", (96, 80))
    assert np.array_equal(result.pixels, tifffile.imread(tmp_path / "results" / "noisy_denoised.tif"))
    assert (denoised.array("posterior_std").pixels > 0).all()
    (report,) = client.trust_reports(denoised.job)
    assert report["sentence"] == denoised.trust.sentence
    (active,) = client.noise_models(microscope="Scope", profile=denoised.image.origin.profile)  # type: ignore[union-attr]
    assert client.noise_model(active.id) == active
    assert told[0] == Progress("upload", 1.0)
    posted = next(each.job for each in told if each.job is not None)
    assert posted.state == "queued"
    assert told[-1].job is not None
    assert told[-1].job.state == "succeeded"
    assert client.jobs(state="succeeded", at_most=1)[0] == denoised.job


@pytest.mark.usefixtures("worker")
def test_an_array_comes_back_with_its_axes_its_shape_and_its_pixel_size(client: ClearScope) -> None:
    sent = ImageArray(
        noisy(1, 2, 1, 48, 40),
        "TCZYX",
        PixelSize(x_um=0.1, y_um=0.2),
        name="cells",
        channel_names=("DAPI", "GFP"),
    )
    denoised = client.denoise(sent, **INSTANT, spec={"outputs": ["denoised"]})
    header = denoised.image.header
    assert (header.axes, header.shape, header.channel_names) == ("CYX", (2, 48, 40), ("DAPI", "GFP"))
    assert header.pixel_size_um is not None
    assert (header.pixel_size_um.x_um, header.pixel_size_um.y_um) == (0.1, 0.2)
    result = denoised.array()
    assert (result.axes, result.pixels.shape, result.pixel_size) == (
        "TCZYX",
        sent.pixels.shape,
        sent.pixel_size,
    )
    assert result.name == "cells_denoised.ome.tif"
    error = np.abs(result.pixels.astype(float) - sent.pixels).mean()
    assert 0 < error < 10, "the channels are in their places"


@pytest.mark.usefixtures("worker")
def test_both_clients_do_the_same(application: Application, client: ClearScope) -> None:
    frame = noisy(32, 48)

    async def denoise() -> Denoised:
        transport = InProcess(application)
        async with AsyncClearScope(URL, conduct=Conduct(URL, IMPATIENT), transport=transport) as twin:
            await twin.ensure_microscope("Scope")
            return await twin.denoise(frame, **INSTANT)

    blocking, awaiting = client.denoise(frame, **INSTANT), anyio.run(denoise)
    assert np.array_equal(blocking.array().pixels, awaiting.array().pixels)
    assert blocking.image.sha256 == awaiting.image.sha256
    assert blocking.image.id != awaiting.image.id


@pytest.mark.usefixtures("worker")
def test_lost_answers_make_no_second_image_and_no_second_job(application: Application) -> None:
    lost_before: set[str] = set()

    def loses(request: httpx2.Request) -> bool:
        place = f"{request.method} {request.url.path}"
        is_new = place not in lost_before
        lost_before.add(place)
        return is_new

    losing = Losing(InProcess(application), loses)
    with connected(application) as client:
        images, jobs = count(client, "images"), count(client, "jobs")
    with connected(application, transport=losing) as client:
        client.ensure_microscope("Losing scope")
        denoised = client.denoise(noisy(32, 32), microscope="Losing scope", preset="instant")
    assert denoised.array().pixels.shape == (32, 32)
    assert {"POST /v1/microscopes", "POST /v1/images", "POST /v1/jobs"} < set(losing.lost)
    with connected(application) as client:
        assert (count(client, "images"), count(client, "jobs")) == (images + 1, jobs + 1)


def count(client: ClearScope, kind: str) -> int:
    return client.read(f"/v1/{kind}?limit=200").count(b'"created_at"')


def test_preflight_plans_and_cancel_ends_a_job(application: Application, noisy_tiff: Path) -> None:
    with connected(application) as client:
        image = client.upload(noisy_tiff)
        spec = {"kind": "denoise", "image_ids": [image.id], "preset": "instant", "budget": {}}
        assert [step.stage for step in client.preflight(spec).plan if step.action == "compute"] == [
            "noise_model",
            "predict",
        ]
        job = client.submit(spec, key="only one")
        assert client.submit(spec, key="only one").id == job.id
        with pytest.raises(InvalidRequestError) as refused:
            client.submit({**spec, "seed": 1}, key="only one")
        assert refused.value.code == "idempotency-mismatch"
        assert client.cancel(job.id).state == "cancelled"
        assert client.cancel(job.id).state == "cancelled"
        with pytest.raises(JobFailedError, match="cancelled") as failed:
            client.wait(job.id)
        assert failed.value.job.id == job.id


def test_an_interrupted_caller_cancels_the_job_if_asked(application: Application) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    def newest_state() -> str:
        with connected(application) as client:
            return client.jobs(at_most=1)[0].state

    with connected(application, sleep=interrupt) as client:
        for cancels in (False, True):
            with pytest.raises(KeyboardInterrupt):
                client.denoise(noisy(32, 32), preset="instant", cancel_if_interrupted=cancels)
            # A worker of another test may have begun with the job.
            assert (newest_state() == "cancelled") is cancels


def test_a_cancelled_task_cancels_the_job_if_asked(application: Application) -> None:
    async def give_up() -> None:
        with anyio.CancelScope() as scope:
            posted = anyio.Event()

            def seen(progress: Progress) -> None:
                if progress.job is not None:
                    posted.set()

            async with (
                AsyncClearScope(URL, transport=InProcess(application)) as client,
                anyio.create_task_group() as tasks,
            ):

                async def denoise() -> None:
                    # Trains for long, so that it has not ended when the first progress is told.
                    await client.denoise(
                        noisy(32, 32),
                        preset="balanced",
                        spec={"prior": "none"},
                        cancel_if_interrupted=True,
                        on_progress=seen,
                    )

                tasks.start_soon(denoise)
                await posted.wait()
                scope.cancel()

    anyio.run(give_up)
    with connected(application) as client, pytest.raises(JobFailedError, match="cancelled: nobody waits"):
        client.wait(client.jobs(at_most=1)[0].id)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.zeros((3, 8, 8)), "3 axes: name them"),
        (ImageArray(np.zeros((8, 8)), "ZYX"), "are not those of an array of shape"),
        (ImageArray(np.zeros((2, 8, 8)), "SYX"), "not some of T, C and Z"),
        (ImageArray(np.zeros((8, 8), np.int64), "YX"), "int64 cannot be sent"),
        (ImageArray(np.zeros((2, 8, 8)), "CYX", channel_names=("one",)), "1 channel names"),
    ],
)
def test_arrays_that_are_no_images_are_refused_before_they_are_sent(
    client: ClearScope, image: Any, told: str
) -> None:
    with pytest.raises(ArrayUnsupportedError, match=told):
        client.denoise(image)


def test_an_uncalibrated_pixel_size_is_not_told(application: Application) -> None:
    with connected(application) as client:
        image = client.upload(ImageArray(noisy(32, 32), "YX", pixel_size_um=0.0))
    assert image.header.pixel_size_um is None


def test_refusals_name_the_file(client: ClearScope, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(InvalidRequestError, match=r"/notes\.txt: ") as refused:
        client.upload(tmp_path / "notes.txt")
    assert refused.value.code == "image-corrupt"
