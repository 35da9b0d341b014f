"""Train a network on files, and denoise files with a network, in this process, without a server."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from models_store.clock_and_ids import new_id
from models_store.contracts.prediction_specs import ChooseEstimateSpec, PredictSpec
from models_store.contracts.progress import ShowStage
from models_store.contracts.spec_parts import StructuredMask
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import (
    DEFAULT_PRESET,
    Method,
    Output,
    OutputDtype,
    Preset,
    TiffCompression,
)
from models_store.errors import InvalidRequestError
from models_store.image_files.channels import channel_title
from models_store.image_files.header import ImageHeader
from models_store.job_requests.channel_rules import (
    Headers,
    channel_given,
    require_noise_model_for_each_channel,
    require_one_channel,
    require_same_channels,
)
from models_store.job_requests.pair_rules import require_same_planes
from models_store.job_requests.plan_channels import plan_predictions
from models_store.job_requests.training_rules import require_method, require_what_the_method_needs
from worker.engine.errors import EngineError
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork, is_pretrained
from worker.engine.training.presets import PRESETS, TrainingPreset
from worker.offline.channels import channels_to_denoise
from worker.offline.files import (
    checked,
    naming_file,
    naming_options,
    noise_model_files,
    read_content,
    read_noise_model_file,
    require_room,
    require_writable,
)
from worker.offline.run import OfflineRun, offline_run
from worker.offline.series import OfflineImage, images_alike, series_in
from worker.offline.targets import output_format_of, require_options_of_format


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


@dataclass(frozen=True)
class PredictionOptions:
    """Options of denoising with a network; `estimate` is for PN2V, for which DENOISED chooses the best."""

    network: Path
    device: torch.device
    noise_model: Path | Sequence[Path | None] | None = None
    """Noise model file of all channels, or one for each."""
    series: Sequence[int] = ()
    """Numbers of the images, from 0, if the file holds several; none: all that can be denoised."""
    channel: str | None = None
    """The only channel of several to denoise: its name, or else its index, from 0."""
    estimate: Output = Output.DENOISED
    dtype: OutputDtype = OutputDtype.FLOAT32
    compression: TiffCompression = TiffCompression.NONE
    tiled: bool = False
    crate: bool = False
    """Write an RO-Crate of the result beside it."""
    keep_hot_pixels: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Predicted:
    """What was predicted of images with the same channels."""

    estimates: Sequence[str]
    """The chosen estimate of each channel that was denoised, with the reason."""
    written: Sequence[Path]


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


def predict_file(
    source: Path,
    target: Path,
    options: PredictionOptions,
    on_progress: ShowStage,
    on_warning: Callable[[str], None],
) -> list[Predicted]:
    """Denoise the images of a file like a `predict` job, those recorded alike together.

    Raises like `train_on_files`.
    """
    require_options_of_format(target, options.compression, tiled=options.tiled)
    require_writable(target, [source, options.network, *noise_model_files(options.noise_model)])
    network = _read_any_network(options.network)
    _require_what_the_network_has(network, options)
    with offline_run(target.parent, device=options.device, show=on_progress, warn=on_warning) as run:
        with naming_file(source):
            groups = images_alike(run, source, target, options.series)
        network_id, noise_models = run.add_network(network), run.add_noise_models(options.noise_model)
        return [_predict_alike(run, source, group, options, network_id, noise_models) for group in groups]


def _predict_alike(
    run: OfflineRun,
    source: Path,
    group: Sequence[OfflineImage],
    options: PredictionOptions,
    network_id: str,
    noise_models: str | tuple[str | None, ...] | None,
) -> Predicted:
    """Denoise images with the same channels."""
    header, channels = group[0].header, channels_to_denoise(group)
    for image in group:
        require_room(image.target, image.header, options.dtype, divided=bool(channels))
        require_writable(image.target, [source, options.network, *noise_model_files(options.noise_model)])
    spec = checked(
        PredictSpec,
        image_ids=[image.image_id for image in group],
        network=network_id,
        noise_model=noise_models,
        channel=_channel_to_denoise(source, header, options),
        outputs=(options.estimate,),
        output_dtype=options.dtype,
        output_format=output_format_of(group[0].target, header.file_kind),
        output_compression=options.compression,
        output_tiled=options.tiled,
        keep_hot_pixels=options.keep_hot_pixels,
        seed=options.seed,
    )
    run.begin(spec)
    if channels:
        with naming_options():
            plan = plan_predictions(spec, channels, lambda: new_id("job"))
        outcome = run.carry_out_plan(plan)
        made = [
            (f"{channel_title(header, stage.spec.channel or 0)}: ", run.registry.result(stage.job_id))
            for stage in plan.stages
            if isinstance(stage.spec, ChooseEstimateSpec)
        ]
    else:
        outcome = run.carry_out(spec, "predict")
        made = [("", outcome.result)]
    targets = {image.image_id: image.target for image in group}
    crates = run.move_results(outcome, targets, crate=options.crate)
    if options.estimate is not Output.DENOISED:
        estimates = [f"{title}{options.estimate}: asked for" for title, _ in made]
    else:
        estimates = [f"{title}{result['estimate']}: {result['reason']}" for title, result in made]
    return Predicted(estimates, [*targets.values(), *crates])


def _channel_to_denoise(source: Path, header: ImageHeader, options: PredictionOptions) -> int | None:
    headers = {str(source): header}
    with naming_options():
        require_same_channels(headers)
        channel = None if options.channel is None else channel_given(str(source), header, options.channel)
        if isinstance(options.noise_model, Sequence):
            require_noise_model_for_each_channel(headers, options.noise_model, channel)
    return channel


def _channel_to_train_on(headers: Headers, given: str | None) -> int | None:
    with naming_options():
        name, header = next(iter(headers.items()))
        channel = None if given is None else channel_given(name, header, given)
        require_one_channel(headers, channel)
    return channel


def _require_what_the_network_has(network: Network | PretrainedNetwork, options: PredictionOptions) -> None:
    """Raise InvalidRequestError for a noise model or an estimate that is missing or not used."""
    method = Method.PRETRAINED if isinstance(network, PretrainedNetwork) else Method(network.method)
    given = options.noise_model
    if method is Method.PN2V:
        if given is None or (isinstance(given, Sequence) and None in given):
            raise InvalidRequestError(
                f"{options.network} is of method pn2v; name the noise model it was trained with"
            )
        return
    if options.estimate is not Output.DENOISED:
        raise InvalidRequestError(
            f"{options.network} is of method {method}, which has one estimate; omit the option"
        )
    if given is not None and method is not Method.PRETRAINED:
        raise InvalidRequestError(
            f"{options.network} is of method {method}, which uses no noise model; omit the option"
        )


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


def _read_network(path: Path) -> Network:
    network = _read_any_network(path)
    if isinstance(network, PretrainedNetwork):
        raise InvalidRequestError(
            f"{path} is a pretrained network; adapt it with clearscope denoise --pretrained {path}"
        )
    return network


def _read_any_network(path: Path) -> Network | PretrainedNetwork:
    content = read_content(path, "network")
    try:
        return (
            PretrainedNetwork.from_bytes(content) if is_pretrained(content) else Network.from_bytes(content)
        )
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
