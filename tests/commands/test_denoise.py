"""Denoising files without a server."""

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from typer.testing import CliRunner

from app.commands.main import cli
from models_store.contracts.vocabulary import DEFAULT_PRESET, OutputDtype, Preset, Prior
from models_store.errors import ImageContentError, InvalidRequestError, NoiseModelInvalidError
from models_store.image_files.tiff.reader import open_planes
from models_store.noise_model_files.published import read_published
from tests.support.peak_memory import peak_mb
from tests.support.tiny_training import QUICK
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.scores.metrics import psnr
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.training.presets import PRESETS
from worker.offline.denoise import DenoiseOptions, denoise_file
from worker.offline.denoise_summary import DenoiseSummary
from worker.offline.report import DenoisedPlane, LinearNoise, NoiseEvidence, draw_report

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
OPTIONS = DenoiseOptions(torch.device("cpu"), prior=Prior.NONE, presets={DEFAULT_PRESET: QUICK})


DETECTOR = Scmos.with_maps((96, 96), seed=0)
PHOTONS = 60 * simulate_specimen((96, 96), seed=1)
SIGNAL_ADU = DETECTOR.signal_adu(PHOTONS)

Progress = list[tuple[str, float]]


@dataclass(frozen=True)
class Run:
    """One denoised stack with its files and progress reports."""

    folder: Path
    source: Path
    target: Path
    summary: DenoiseSummary
    progress: Progress


def _denoise(
    source: Path, target: Path, options: DenoiseOptions = OPTIONS
) -> tuple[DenoiseSummary, Progress]:
    progress: Progress = []
    summary = denoise_file(source, target, options, lambda stage, done, _: progress.append((stage, done)))
    return summary, progress


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ImageJ stack of three planes of the same scene."""
    path = tmp_path_factory.mktemp("source") / "stack.tif"
    planes = np.stack([DETECTOR.observe(PHOTONS, np.random.default_rng(seed)) for seed in range(3)])
    metadata = {"axes": "ZYX", "unit": "um", "spacing": 0.5}
    tifffile.imwrite(path, planes, imagej=True, resolution=(10, 10), metadata=metadata)
    return path


@pytest.fixture(scope="module")
def run(stack: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("result")
    options = replace(OPTIONS, save_noise_model=folder / "noise.npz", report_folder=folder / "report")
    summary, progress = _denoise(stack, folder / "denoised.tif", options)
    return Run(folder, stack, folder / "denoised.tif", summary, progress)


def test_each_plane_comes_closer_to_the_truth(run: Run) -> None:
    with open_planes(run.source) as before, open_planes(run.target) as after:
        assert after.header.dtype == "float32"
        for observation_yx, denoised_yx in zip(before, after, strict=True):
            assert psnr(denoised_yx, SIGNAL_ADU) > psnr(observation_yx, SIGNAL_ADU) + 3


def test_axes_and_pixel_size_survive(run: Run) -> None:
    with open_planes(run.source) as before, open_planes(run.target) as after:
        kept = {"axes", "shape", "pixel_size_um", "file_kind"}
        assert after.header.model_dump(include=kept) == before.header.model_dump(include=kept)


def test_progress_reports_all_stages_in_order_and_to_their_end(run: Run) -> None:
    stages = list(dict.fromkeys(stage for stage, _ in run.progress))
    assert stages == ["n2v", "noise_model", "pn2v", "distil", "predict"]
    for stage in stages:
        fractions = [fraction for told, fraction in run.progress if told == stage]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1.0
    assert list(run.summary.seconds) == stages


def test_the_saved_noise_model_is_the_one_that_was_used(run: Run) -> None:
    parameters = read_published((run.folder / "noise.npz").read_bytes())
    saved = GaussianMixtureNoiseModel.from_parameters(parameters.plain())
    used = GaussianMixtureNoiseModel.from_parameters(run.summary.channels[0].noise_model)
    signal_adu = torch.linspace(used.signal_min_adu, used.signal_max_adu, 20, dtype=torch.float64)
    torch.testing.assert_close(
        saved.variance_adu2(signal_adu), used.variance_adu2(signal_adu), rtol=1e-3, atol=0.1
    )


def test_the_report_shows_and_records_the_run(run: Run) -> None:
    record = json.loads((run.folder / "report/report.json").read_text(encoding="utf-8"))
    assert record == run.summary.record()
    assert record["estimate"] in {"n2v", "prior_mean", "mmse", "distilled"}
    assert record["reason"]
    with Image.open(run.folder / "report/report.png") as picture:
        assert min(picture.size) > 300
    assert [path.name for path in run.summary.written] == [
        "denoised.tif",
        "noise.npz",
        "report.png",
        "report.json",
        "trust-preview.png",
    ]


def test_a_given_noise_model_is_used_unchanged_and_a_seed_repeats(run: Run, tmp_path: Path) -> None:
    options = replace(OPTIONS, noise_model=run.folder / "noise.npz", dtype=OutputDtype.SAME)
    first, progress = _denoise(run.source, tmp_path / "first.tif", options)
    _denoise(run.source, tmp_path / "second.tif", options)
    assert first.channels[0].noise_model_origin == "file"
    assert first.channels[0].noise_model == read_published((run.folder / "noise.npz").read_bytes()).plain()
    assert "noise_model" not in {stage for stage, _ in progress}
    one, two = tifffile.imread(tmp_path / "first.tif"), tifffile.imread(tmp_path / "second.tif")
    assert one.dtype == np.uint16
    np.testing.assert_array_equal(one, two)


class StopError(Exception):
    """Raised by a caller to stop."""


def test_progress_that_raises_stops_and_leaves_no_file(stack: Path, tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise StopError

    with pytest.raises(StopError):
        denoise_file(stack, tmp_path / "result.tif", OPTIONS, stop)
    assert not list(tmp_path.iterdir())


def _no_target_folder(stack: Path, folder: Path) -> tuple[Path, DenoiseOptions]:
    del stack
    return folder / "missing/result.tif", OPTIONS


def _over_the_source(stack: Path, folder: Path) -> tuple[Path, DenoiseOptions]:
    del folder
    return stack, OPTIONS


def _no_noise_model_folder(stack: Path, folder: Path) -> tuple[Path, DenoiseOptions]:
    del stack
    return folder / "result.tif", replace(OPTIONS, save_noise_model=folder / "missing/noise.npz")


def _noise_model_over_the_source(stack: Path, folder: Path) -> tuple[Path, DenoiseOptions]:
    return folder / "result.tif", replace(OPTIONS, save_noise_model=stack)


def _report_is_a_file(stack: Path, folder: Path) -> tuple[Path, DenoiseOptions]:
    return folder / "result.tif", replace(OPTIONS, report_folder=stack)


def _no_files_there(stack: Path, folder: Path) -> tuple[Path, DenoiseOptions]:
    del stack, folder
    return Path("/proc/result.tif"), OPTIONS


def _no_report_there(stack: Path, folder: Path) -> tuple[Path, DenoiseOptions]:
    del stack
    return folder / "result.tif", replace(OPTIONS, report_folder=Path("/proc/report"))


def _a_device(stack: Path, folder: Path) -> tuple[Path, DenoiseOptions]:
    del stack, folder
    return Path("/dev/null"), OPTIONS


def _too_long_a_name(stack: Path, folder: Path) -> tuple[Path, DenoiseOptions]:
    del stack
    return folder / f"{'x' * 300}.tif", OPTIONS


def _one_file_for_two_results(stack: Path, folder: Path) -> tuple[Path, DenoiseOptions]:
    del stack
    return folder / "result.npz", replace(OPTIONS, save_noise_model=folder / "result.npz")


def _missing_noise_model(stack: Path, folder: Path) -> tuple[Path, DenoiseOptions]:
    del stack
    return folder / "result.tif", replace(OPTIONS, noise_model=folder / "missing.npz")


@pytest.mark.parametrize(
    ("arrange", "reason"),
    [
        (_no_target_folder, "no folder"),
        (_over_the_source, "is an input of this command"),
        (_no_noise_model_folder, "no folder"),
        (_noise_model_over_the_source, "is an input of this command"),
        (_report_is_a_file, "is a file"),
        pytest.param(_no_files_there, "cannot write files in /proc", marks=on_linux),
        pytest.param(_no_report_there, "cannot write files in /proc", marks=on_linux),
        (_a_device, "it is not a regular file"),
        (_too_long_a_name, "cannot be written: File name too long"),
        (_one_file_for_two_results, "name two files"),
        (_missing_noise_model, "cannot be read"),
    ],
)
def test_paths_are_checked_before_anything_is_computed(
    stack: Path,
    tmp_path: Path,
    arrange: Callable[[Path, Path], tuple[Path, DenoiseOptions]],
    reason: str,
) -> None:
    target, options = arrange(stack, tmp_path)
    content = stack.read_bytes()
    with pytest.raises(InvalidRequestError, match=reason):
        denoise_file(stack, target, options, _fail_on_progress)
    assert stack.read_bytes() == content


def test_a_result_without_room_is_refused_before_anything_is_computed(
    stack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result_bytes = 3 * 96 * 96 * 4
    monkeypatch.setattr("shutil.disk_usage", lambda _: Mock(free=result_bytes - 1))
    with pytest.raises(InvalidRequestError, match="has 0 MiB left"):
        denoise_file(stack, tmp_path / "result.tif", OPTIONS, _fail_on_progress)
    assert not list(tmp_path.iterdir())


def test_a_command_that_is_terminated_leaves_no_file(stack: Path, tmp_path: Path) -> None:
    def terminate(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        denoise_file(stack, tmp_path / "result.tif", OPTIONS, terminate)
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(signal.SIGTERM) is before


def _fail_on_progress(stage: str, fraction: float, status: str) -> None:
    pytest.fail(f"something was computed: {stage} {fraction} {status}")


def test_files_that_are_no_noise_model_or_no_image_are_refused(stack: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.npz"
    wrong.write_bytes(b"no archive")
    with pytest.raises(NoiseModelInvalidError):
        denoise_file(stack, tmp_path / "r.tif", replace(OPTIONS, noise_model=wrong), _fail_on_progress)
    constant = tmp_path / "constant.tif"
    tifffile.imwrite(constant, np.full((64, 64), 7, "uint16"))
    with pytest.raises(ImageContentError):
        denoise_file(constant, tmp_path / "r.tif", OPTIONS, _fail_on_progress)


def test_the_command_denoises_and_prints_a_summary(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, DEFAULT_PRESET, QUICK)
    target, report = tmp_path / "result.tif", tmp_path / "report"
    options = ["--device", "cpu", "--dtype", "same", "--report", str(report), "--prior", "none"]
    arguments = [
        "denoise",
        str(run.source),
        str(target),
        "--noise-model",
        str(run.folder / "noise.npz"),
        *options,
    ]
    result = CliRunner().invoke(cli, arguments, env={"COLUMNS": "400"}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    for told in ("ZYX 3x96x96 uint16", "estimate", "noise model", str(target), str(report / "report.png")):
        assert told in result.output
    assert tifffile.imread(target).dtype == np.uint16


def test_the_ground_truth_is_drawn_if_it_is_known(tmp_path: Path) -> None:
    """The figure gets a column for the ground truth, and one for the noise model."""
    widths = []
    model = GaussianMixtureNoiseModel(torch.zeros(3, 2, dtype=torch.float64), 100.0, 300.0, 1.0)
    noise = NoiseEvidence(model, true_noise=LinearNoise(2.2, 101.2, 2.8))
    for truth_yx, evidence in ((None, None), (SIGNAL_ADU, None), (SIGNAL_ADU, noise)):
        draw_report(tmp_path / "r.png", DenoisedPlane(SIGNAL_ADU + 1, SIGNAL_ADU, truth_yx), evidence)
        with Image.open(tmp_path / "r.png") as picture:
            widths.append(picture.width)
    assert widths[0] < widths[1] < widths[2]


def denoise_in_tiny(source: Path, target: Path) -> None:
    preset = replace(
        PRESETS["fast"],
        features=8,
        samples=16,
        symmetries=1,
        n2v_steps=2,
        pn2v_steps=2,
        distillation_steps=2,
    )
    _denoise(source, target, replace(OPTIONS, presets={DEFAULT_PRESET: preset}))


@on_linux
@pytest.mark.slow
def test_denoising_200_planes_takes_no_more_than_300_mb_above_2(tmp_path: Path) -> None:
    few, many = (peak_mb(denoise_in_tiny, tmp_path, (planes, 512, 512)) for planes in (2, 200))
    assert many - few < 300


def denoise_at_once(source: Path, target: Path) -> None:
    _denoise(source, target, DenoiseOptions(torch.device("cpu"), preset=Preset.INSTANT))


@on_linux
@pytest.mark.slow
def test_instant_takes_less_than_1500_mb_for_a_plane_of_2048_px(tmp_path: Path) -> None:
    assert peak_mb(denoise_at_once, tmp_path, (1, 2048, 2048)) < 1500
