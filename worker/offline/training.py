"""Train a network on files, in this process, without a server."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from models_store.contracts.progress import ShowStage
from models_store.contracts.spec_parts import StructuredMask
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import DEFAULT_PRESET, Method, Preset
from models_store.errors import InvalidRequestError
from models_store.image_files.header import ImageHeader
from models_store.job_requests.channel_rules import Headers, channel_given, require_one_channel
from models_store.job_requests.pair_rules import require_same_planes
from models_store.job_requests.training_rules import require_method, require_what_the_method_needs
from worker.engine.training.presets import PRESETS, TrainingPreset
from worker.offline.files import (
    checked,
    naming_file,
    naming_options,
    read_noise_model_file,
    require_writable,
)
from worker.offline.network_files import read_network
from worker.offline.run import OfflineRun, offline_run
from worker.offline.series import series_in


@dataclass(frozen=True)
class TrainingFiles:
    """Input files of a training: noisy images, and what the method needs besides."""

    noisy: Sequence[Path]
    ground_truth: Sequence[Path] = ()
    """One for each noisy image; for CARE."""
    noise_model: Path | None = None
    """Noise model file (.npz/.npy); for PN2V and distillation."""
    start: Path | None = None
    """Network whose weights training starts from."""
    teacher: Path | None = None
    """PN2V network whose estimates are learned; for distillation."""


@dataclass(frozen=True)
class TrainingOptions:
    """Options of training."""

    method: Method
    device: torch.device
    preset: Preset = DEFAULT_PRESET
    structured_mask: StructuredMask | None = None
    series: int | None = None
    """Number of the image, from 0, in files that hold several."""
    channel: str | None = None
    """Channel of several to train on: its name, or else its index, from 0."""
    seed: int = 0
    presets: Mapping[str, TrainingPreset] = field(default_factory=lambda: PRESETS)


def train_on_files(
    files: TrainingFiles,
    target: Path,
    options: TrainingOptions,
    on_progress: ShowStage,
    on_warning: Callable[[str], None],
) -> None:
    """Train a network like a `train` job and write it as safetensors; warnings are issued before training.

    Raises InvalidRequestError for files that are unreadable or do not match, and JobFailedError for errors of
    the engine.
    """
    _require_files(files, options)
    others = filter(None, (files.noise_model, files.start, files.teacher))
    require_writable(target, [*files.noisy, *files.ground_truth, *others])
    start, teacher = (read_network(path) if path else None for path in (files.start, files.teacher))
    if teacher is not None:
        with naming_options():
            require_method(Method(teacher.method), "teacher", Method.PN2V)
    noise_model = read_noise_model_file(files.noise_model) if files.noise_model else None
    with offline_run(
        target.parent, device=options.device, show=on_progress, warn=on_warning, presets=options.presets
    ) as run:
        series = series_in(run.reader, [*files.noisy, *files.ground_truth], options.series)
        noisy = [_add_image(run, path, series[path]) for path in files.noisy]
        clean = [_add_ground_truth(run, path, series[path]) for path in files.ground_truth]
        if clean:
            _require_pairs(files, noisy, clean)
        headers = {str(path): header for path, (_, header) in zip(files.noisy, noisy, strict=True)}
        spec = _spec(
            options,
            image_ids=[image_id for image_id, _ in noisy],
            channel=_channel_to_train_on(headers, options.channel),
            ground_truth_ids=[image_id for image_id, _ in clean] or None,
            noise_model=run.add_noise_model(noise_model) if noise_model else None,
            start=run.add_network(start) if start else None,
            teacher=run.add_network(teacher) if teacher else None,
        )
        outcome = run.carry_out(spec, options.method.value)
        if outcome.network is not None:
            run.move_blob(outcome.network.blob, target)


def _channel_to_train_on(headers: Headers, given: str | None) -> int | None:
    with naming_options():
        name, header = next(iter(headers.items()))
        channel = None if given is None else channel_given(name, header, given)
        require_one_channel(headers, channel)
    return channel


def _require_files(files: TrainingFiles, options: TrainingOptions) -> None:
    """Check the command by the rules of jobs before reading any file."""
    placeholder = "file"
    spec = _spec(
        options,
        image_ids=[placeholder],
        ground_truth_ids=[placeholder] if files.ground_truth else None,
        noise_model=placeholder if files.noise_model else None,
        start=placeholder if files.start else None,
        teacher=placeholder if files.teacher else None,
    )
    with naming_options():
        require_what_the_method_needs(spec)


def _spec(
    options: TrainingOptions,
    *,
    image_ids: list[str],
    ground_truth_ids: list[str] | None,
    noise_model: str | None,
    start: str | None,
    teacher: str | None,
    channel: int | None = None,
) -> TrainSpec:
    return checked(
        TrainSpec,
        image_ids=image_ids,
        method=options.method,
        preset=options.preset,
        structured_mask=options.structured_mask,
        ground_truth_ids=ground_truth_ids,
        noise_model=noise_model,
        start=start,
        teacher=teacher,
        channel=channel,
        seed=options.seed,
    )


def _add_image(run: OfflineRun, path: Path, series: int | None) -> tuple[str, ImageHeader]:
    with naming_file(path):
        image_id, header, _ = run.add_image(path, series)
    return image_id, header


def _add_ground_truth(run: OfflineRun, path: Path, series: int | None) -> tuple[str, ImageHeader]:
    with naming_file(path):
        return run.add_file(path, series)


def _require_pairs(
    files: TrainingFiles,
    noisy: Sequence[tuple[str, ImageHeader]],
    clean: Sequence[tuple[str, ImageHeader]],
) -> None:
    if len(noisy) != len(clean):
        raise InvalidRequestError(
            f"{len(clean)} ground truth files for {len(noisy)} noisy files; name one for each"
        )
    for path, (_, image), truth_path, (_, truth) in zip(
        files.noisy, noisy, files.ground_truth, clean, strict=True
    ):
        require_same_planes(str(path), image, str(truth_path), truth)
