"""The same seed gives the same file from the command and from a job, bit by bit, but for its provenance."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

from models_store.contracts.spec_parts import TrainingBudget
from models_store.contracts.vocabulary import DEFAULT_PRESET, NoiseModelKind, OutputDtype, Prior
from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application
from tests.support.posted_jobs import TINY, artifact, run, upload
from tests.support.result_files import digest
from worker.engine.training.adaptation import Adaptation
from worker.engine.training.presets import PRESETS, TrainingPreset
from worker.jobs.inputs import preset_with
from worker.offline.denoise import DenoiseOptions, denoise_file

PLANES, HEIGHT_PX, WIDTH_PX = 2, 40, 32
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"photometric": "minisblack", "metadata": {"axes": "ZYX"}},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX", "spacing": 0.5, "unit": "um"}},
    "ome": {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}},
}


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Application]:
    """Application that divides even these predictions."""
    folder = tmp_path_factory.mktemp("divided") / "data"
    application = Application(folder, isolation, part_pixels=HEIGHT_PX * WIDTH_PX)
    with application.worker():
        yield application
    application.close()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Use one thread, because several may add in a different order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(
    ("file_kind", "noise_model_kind", "dtype"),
    [
        pytest.param("plain", NoiseModelKind.GMM, OutputDtype.FLOAT32, marks=pytest.mark.slow),
        pytest.param("imagej", NoiseModelKind.HISTOGRAM, OutputDtype.FLOAT32, marks=pytest.mark.slow),
        ("ome", NoiseModelKind.GMM, OutputDtype.SAME),
    ],
)
def test_a_job_and_the_command_write_one_file(
    application: Application,
    tmp_path: Path,
    file_kind: str,
    noise_model_kind: NoiseModelKind,
    dtype: OutputDtype,
) -> None:
    path, here = tmp_path / "stack.tif", tmp_path / "here.tif"
    _write_stack(path, file_kind)
    presets: dict[str, TrainingPreset] = {
        DEFAULT_PRESET: preset_with(PRESETS[DEFAULT_PRESET], TrainingBudget(**TINY))
    }
    options = DenoiseOptions(
        torch.device("cpu"),
        prior=Prior.NONE,
        noise_model_kind=noise_model_kind,
        dtype=dtype,
        seed=9,
        presets=presets,
    )
    denoise_file(path, here, options, lambda *_: None)
    with application.client() as api:
        job = run(
            api,
            kind="denoise",
            image_ids=[upload(api, path)],
            budget=TINY,
            outputs=["denoised"],
            noise_model_kind=noise_model_kind,
            output_dtype=dtype,
            seed=9,
        )
        assert job["stages"][-1]["parts"]["total"] > 1
        denoised = artifact(api, job, "stack_denoised.tif")
    assert digest(denoised) == digest(here.read_bytes())


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_they_adapt_the_pretrained_network_alike(
    application: Application, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Adaptation(steps=3, learning_rate=1e-4)
    preset = replace(PRESETS[DEFAULT_PRESET], adaptation=quick, patch_px=32, patches_per_step=1)
    monkeypatch.setitem(PRESETS, DEFAULT_PRESET, preset)
    path, here = tmp_path / "stack.tif", tmp_path / "here.tif"
    _write_stack(path, "plain")
    options = DenoiseOptions(torch.device("cpu"), prior=Prior.PRETRAINED, seed=9)
    summary = denoise_file(path, here, options, lambda *_: None)
    assert set(summary.channels[0].estimated_mse_adu2) == {"distilled", "pretrained", "pretrained_stack"}
    with application.client() as api:
        denoise = {"image_ids": [upload(api, path)], "prior": "pretrained", "outputs": ["denoised"]}
        job = run(api, kind="denoise", seed=9, **denoise)
        assert job["stages"][-1]["parts"]["total"] > 1
        denoised = artifact(api, job, "stack_denoised.tif")
    assert digest(denoised) == digest(here.read_bytes())


def _write_stack(path: Path, file_kind: str) -> None:
    y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX] / 6.0
    signal = [40 + 20 * np.sin(y + plane / 5) * np.cos(x) for plane in range(PLANES)]
    planes = (100 + 2 * np.random.default_rng(3).poisson(signal)).astype(np.uint16)
    tifffile.imwrite(path, planes, **KINDS[file_kind])
