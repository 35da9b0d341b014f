"""The engine in this process, without a server: needs the worker's part, not the server's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from models_store.contracts.vocabulary import Method, NoiseModelKind, Output, OutputDtype, Preset
from worker.attempt.device import choose_device
from worker.engine.scores.scoreboard import document, table
from worker.engine.training.presets import PRESETS
from worker.offline.calibration import CalibrationSummary, fit_noise_model_to_files
from worker.offline.denoise import DenoiseOptions, DenoiseSummary, denoise_file
from worker.offline.networks import Prediction, TrainingFiles, predict_file, train_on_files
from worker.offline.scores import NamedFiles, score_files
from worker.processes.compile_cache import keep_compiled_programs


def denoise_here(  # the command's options
    source: Path,
    target: Path,
    *,
    preset: Preset,
    structured_mask: tuple[int, int],
    device: str,
    seed: int,
    dtype: OutputDtype,
    noise_model: Path | None,
    noise_model_kind: NoiseModelKind,
    save_noise_model: Path | None,
    report_folder: Path | None,
    on_progress: Callable[[str, float, str], None],
    on_warning: Callable[[str], None],
) -> DenoiseSummary:
    """Denoise a file in this process, without database and blobs; `structured_mask` is (y, x) in pixels."""
    keep_compiled_programs()
    options = DenoiseOptions(
        preset=replace(PRESETS[preset], blind_y_px=structured_mask[0], blind_x_px=structured_mask[1]),
        device=choose_device(device),
        seed=seed,
        dtype=dtype.value,
        noise_model=noise_model,
        noise_model_kind=noise_model_kind,
        save_noise_model=save_noise_model,
        report_folder=report_folder,
    )
    return denoise_file(source, target, options, on_progress, on_warning)


def noise_model_here(
    frames: Sequence[Path],
    target: Path,
    *,
    images: Sequence[Path],
    seed: int,
    on_frame: Callable[[int, int], None],
) -> CalibrationSummary:
    """Fit a noise model to calibration files in this process."""
    return fit_noise_model_to_files(frames, target, images=images, seed=seed, on_frame=on_frame)


def scores_here(
    predictions: Mapping[str, Sequence[Path]],
    ground_truth: Sequence[Path],
    on_progress: Callable[[float, str], None],
) -> tuple[list[dict[str, Any]], str]:
    """Score files by name: plain JSON values, and a table to read."""
    candidates = [NamedFiles(name, paths) for name, paths in predictions.items()]
    rows = score_files(candidates, ground_truth, on_progress)
    return document(rows, each=True), table(rows)


def train_here(  # the command's options
    noisy: Sequence[Path],
    target: Path,
    *,
    method: Method,
    ground_truth: Sequence[Path],
    noise_model: Path | None,
    start: Path | None,
    teacher: Path | None,
    preset: Preset,
    structured_mask: tuple[int, int],
    seed: int,
    device: str,
    on_progress: Callable[[float, str], None],
    on_warning: Callable[[str], None],
) -> None:
    """Train a network in this process and write it; `structured_mask` is (y, x) in pixels."""
    train_on_files(
        TrainingFiles(noisy, ground_truth, noise_model, start, teacher),
        target,
        method=method,
        preset=replace(PRESETS[preset], blind_y_px=structured_mask[0], blind_x_px=structured_mask[1]),
        seed=seed,
        device=choose_device(device),
        on_step=lambda step: on_progress(
            step.step / step.steps, f"step {step.step} of {step.steps}, loss {step.loss:.4f}"
        ),
        on_warning=on_warning,
    )


def predict_here(  # the command's options
    source: Path,
    target: Path,
    *,
    network: Path,
    noise_model: Path | None,
    estimate: Output,
    dtype: OutputDtype,
    seed: int,
    device: str,
    on_progress: Callable[[float, str], None],
) -> str:
    """Denoise a file with a trained network in this process; say which estimate was delivered and why."""
    keep_compiled_programs()
    prediction = Prediction(
        network=network,
        device=choose_device(device),
        noise_model=noise_model,
        estimate=estimate,
        dtype=dtype.value,
        seed=seed,
    )
    return predict_file(
        source, target, prediction, lambda done, of: on_progress(done / of, f"plane {done} of {of}")
    )
