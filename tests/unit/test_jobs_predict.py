"""Predictions make all outputs of all planes, in order, and report progress."""

import io
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
from PIL import Image

from models_store.contracts.prediction_specs import PredictPartSpec
from models_store.contracts.spec_parts import MadeByJob
from models_store.contracts.vocabulary import Output
from models_store.image_files.tiff.reader import open_planes
from tests.support.job_contexts import context_of
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.attempt.registry import KnownImage
from worker.engine.networks.network import Network
from worker.jobs import predict, predict_part
from worker.jobs.inputs import OpenImage
from worker.jobs.plane_denoiser import PlaneDenoiser, Prepared
from worker.jobs.result_preview import ResultPreview
from worker.offline.memory_registry import MemoryRegistry
from worker.planes.observed_plane import ObservedPlane
from worker.planes.raw_planes import iterate_raw_planes

PLANES = np.arange(5 * 20 * 30, dtype=np.uint16).reshape(5, 20, 30)
OUTPUTS = (Output.DENOISED, Output.PRIOR_MEAN)
SHIFTED = PlaneDenoiser(
    OUTPUTS,
    lambda observed: {Output.DENOISED: observed.input_yx + 1, Output.PRIOR_MEAN: observed.input_yx + 2},
    keep_outliers=False,
    keeps_mean=False,
)


@pytest.fixture
def image(tmp_path: Path) -> Iterator[OpenImage]:
    path = tmp_path / "noisy.tif"
    tifffile.imwrite(path, PLANES, photometric="minisblack")
    with open_planes(path) as reader:
        yield OpenImage(KnownImage("img_1", "noisy.tif", "images/img_1"), reader)


def test_every_output_of_every_plane_is_made(image: OpenImage, tmp_path: Path) -> None:
    reports: list[int] = []
    preview = ResultPreview()
    with predict._denoised_planes(image, SHIFTED, tmp_path, lambda: reports.append(1), preview) as outputs:
        made = {output: np.stack(list(planes)) for output, planes in outputs.items()}
    assert list(made) == list(OUTPUTS)
    np.testing.assert_array_equal(made[Output.DENOISED], PLANES + 1.0)
    np.testing.assert_array_equal(made[Output.PRIOR_MEAN], PLANES + 2.0)
    assert len(reports) == len(PLANES)
    assert preview.png is not None
    panels = np.asarray(Image.open(io.BytesIO(preview.png)))
    assert panels.shape == (20, 3 * 30 + 2 * 4)
    # What was removed is the same everywhere.
    assert np.ptp(panels[:, -30:]) == 0


def test_a_part_stores_its_planes_alone(
    image: OpenImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[float] = []
    blobs = MeasuredBlobs((tmp_path / "blobs").as_uri())
    replacements: dict[str, Any] = {
        "prepare_chosen": lambda *_: Prepared(Mock(spec=Network, method="n2v", frames=None)),
        "plane_denoiser": lambda *_: SHIFTED,
        "open_images": lambda *_: nullcontext([image]),
    }
    for name, replacement in replacements.items():
        monkeypatch.setattr(predict_part, name, replacement)
    spec = PredictPartSpec(
        image_ids=["img_1"],
        network="net_1",
        choice=MadeByJob(job="job_0"),
        outputs=OUTPUTS,
        first_plane=1,
        planes=3,
    )
    with context_of(MemoryRegistry(), blobs, report=lambda fraction, _: reports.append(fraction)) as context:
        outcome = predict_part.predict_part(spec, context)
    assert [made.output for made in outcome.planes] == list(OUTPUTS)
    for made, shift in zip(outcome.planes, (1.0, 2.0), strict=True):
        with blobs.as_file(made.blob.key) as path, path.open("rb") as file:
            np.testing.assert_array_equal(
                np.stack(list(iterate_raw_planes(file, (20, 30)))), PLANES[1:4] + shift
            )
    assert outcome.result["removed_noise"]["planes"] == 3
    assert reports == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_planes_keep_their_mean_and_their_missing_pixels() -> None:
    """A network that knows bright planes only draws a dim one towards them."""
    plane_yx = (100 + np.random.default_rng(1).poisson(3.0, (40, 30))).astype(np.float32)
    plane_yx[:, :5] = np.nan
    brighter = PlaneDenoiser(
        (Output.DENOISED, Output.POSTERIOR_STD),
        lambda observed: {
            Output.DENOISED: np.full_like(observed.input_yx, 104.0),
            Output.POSTERIOR_STD: np.ones_like(observed.input_yx),
        },
        keep_outliers=False,
    )
    results = brighter.denoise(ObservedPlane.of(plane_yx))
    mean_adu = float(np.nanmean(plane_yx))
    np.testing.assert_allclose(results[Output.DENOISED][:, 5:], mean_adu, rtol=1e-5)
    assert np.isnan(results[Output.DENOISED][:, :5]).all()
    assert np.isnan(results[Output.POSTERIOR_STD][:, :5]).all()
    np.testing.assert_array_equal(results[Output.POSTERIOR_STD][:, 5:], 1)


def test_a_few_hot_pixels_that_were_not_found_do_not_shift_a_plane() -> None:
    rng = np.random.default_rng(1)
    plane_yx = (100 + rng.poisson(9.0, (128, 128))).astype(np.float32)
    plane_yx[20:27, 20:27] = rng.uniform(50_000, 60_000, (7, 7))
    assert ObservedPlane.of(plane_yx).defects.usable_yx[23, 23]
    right = PlaneDenoiser(
        (Output.DENOISED,),
        lambda observed: {Output.DENOISED: np.full_like(observed.input_yx, 109.0)},
        keep_outliers=False,
    )
    denoised_yx = right.denoise(ObservedPlane.of(plane_yx))[Output.DENOISED]
    np.testing.assert_allclose(denoised_yx, 109, atol=0.2)
