"""Train a network on files, and denoise files with a network, in this process, without a server."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

from models_store.contracts.job_specs import PredictSpec, TrainSpec
from models_store.contracts.progress import ShowStage
from models_store.contracts.spec_parts import StructuredMask
from models_store.contracts.vocabulary import DEFAULT_PRESET, Method, Output, OutputDtype, Preset
from models_store.errors import FieldError, InvalidRequestError
from models_store.image_files.header import ImageHeader
from models_store.job_requests.pair_rules import require_same_planes
from models_store.job_requests.training_rules import require_method, require_what_the_method_needs
from worker.engine.errors import EngineError
from worker.engine.networks.network import Network
from worker.engine.training.presets import PRESETS, TrainingPreset
from worker.offline.files import (
    checked,
    naming_file,
    read_content,
    read_noise_model_file,
    require_room,
    require_writable,
)
from worker.offline.run import OfflineRun, offline_run

_OPTIONS = {"ground_truth_ids": "--ground-truth"}
"""Options whose names differ from those of their fields."""


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
    seed: int = 0
    presets: Mapping[str, TrainingPreset] = field(default_factory=lambda: PRESETS)


@dataclass(frozen=True)
class PredictionOptions:
    """Options of denoising with a network; `estimate` is for PN2V, for which DENOISED chooses the best."""

    network: Path
    device: torch.device
    noise_model: Path | None = None
    estimate: Output = Output.DENOISED
    dtype: OutputDtype = OutputDtype.FLOAT32
    keep_hot_pixels: bool = False
    seed: int = 0


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
    start, teacher = (_read_network(path) if path else None for path in (files.start, files.teacher))
    if teacher is not None:
        with _naming_options():
            require_method(Method(teacher.method), "teacher", Method.PN2V)
    noise_model = read_noise_model_file(files.noise_model) if files.noise_model else None
    with offline_run(
        target.parent, device=options.device, show=on_progress, warn=on_warning, presets=options.presets
    ) as run:
        noisy = [_add_image(run, path) for path in files.noisy]
        clean = [_add_ground_truth(run, path) for path in files.ground_truth]
        if clean:
            _require_pairs(files, noisy, clean)
        spec = _spec(
            options,
            image_ids=[image_id for image_id, _ in noisy],
            ground_truth_ids=[image_id for image_id, _ in clean] or None,
            noise_model=run.add_noise_model(noise_model) if noise_model else None,
            start=run.add_network(start.to_bytes()) if start else None,
            teacher=run.add_network(teacher.to_bytes()) if teacher else None,
        )
        outcome = run.carry_out(spec, options.method.value)
        if outcome.network is not None:
            run.move_blob(outcome.network.blob, target)


def predict_file(
    source: Path,
    target: Path,
    options: PredictionOptions,
    on_progress: ShowStage,
    on_warning: Callable[[str], None],
) -> str:
    """Denoise an image or stack like a `predict` job; return the chosen estimate and the reason.

    Raises like `train_on_files`.
    """
    require_writable(target, [source, options.network])
    network = _read_network(options.network)
    is_pn2v = Method(network.method) is Method.PN2V
    if is_pn2v and options.noise_model is None:
        raise InvalidRequestError(
            f"{options.network} is of method pn2v; name the noise model it was trained with"
        )
    if not is_pn2v and (options.noise_model is not None or options.estimate is not Output.DENOISED):
        raise InvalidRequestError(
            f"{options.network} is of method {network.method}, which has one estimate and uses no noise "
            f"model; omit both options"
        )
    with offline_run(target.parent, device=options.device, show=on_progress, warn=on_warning) as run:
        image_id, header = _add_image(run, source)
        require_room(target, header, options.dtype)
        noise_model = read_noise_model_file(options.noise_model) if options.noise_model else None
        spec = PredictSpec(
            image_ids=[image_id],
            network=run.add_network(network.to_bytes()),
            noise_model=run.add_noise_model(noise_model) if noise_model else None,
            outputs=(options.estimate,),
            output_dtype=options.dtype,
            keep_hot_pixels=options.keep_hot_pixels,
            seed=options.seed,
        )
        outcome = run.carry_out(spec, "predict")
        (artifact,) = outcome.artifacts
        run.move_blob(artifact.blob, target)
    if options.estimate is not Output.DENOISED:
        return f"{options.estimate}: asked for"
    return f"{outcome.result['estimate']}: {outcome.result['reason']}"


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
    with _naming_options():
        require_what_the_method_needs(spec)


def _spec(
    options: TrainingOptions,
    *,
    image_ids: list[str],
    ground_truth_ids: list[str] | None,
    noise_model: str | None,
    start: str | None,
    teacher: str | None,
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
        seed=options.seed,
    )


@contextmanager
def _naming_options() -> Iterator[None]:
    """Convert errors about a job's field to errors about the command's option."""
    try:
        yield
    except FieldError as error:
        option = _OPTIONS.get(error.field, f"--{error.field.replace('_', '-')}")
        raise InvalidRequestError(f"{option}: {error.problem}") from error


def _add_image(run: OfflineRun, path: Path) -> tuple[str, ImageHeader]:
    with naming_file(path):
        image_id, header, _ = run.add_image(path)
    return image_id, header


def _add_ground_truth(run: OfflineRun, path: Path) -> tuple[str, ImageHeader]:
    with naming_file(path):
        return run.add_file(path)


def _read_network(path: Path) -> Network:
    try:
        return Network.from_bytes(read_content(path, "network"))
    except EngineError as error:
        raise InvalidRequestError(f"{path} is not a network: {error.detail}") from error


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
