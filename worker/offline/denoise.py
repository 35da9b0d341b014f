"""Denoise a file in this process, without a server."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import torch

from models_store.clock_and_ids import new_id
from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.plans import Plan
from models_store.contracts.progress import ShowStage
from models_store.contracts.spec_parts import StructuredMask, entry_of_channel
from models_store.contracts.trust import TRUST_REPORT
from models_store.contracts.vocabulary import (
    DEFAULT_PRESET,
    NoiseModelKind,
    Output,
    OutputDtype,
    Preset,
    Prior,
    Reuse,
    TiffCompression,
)
from models_store.errors import InvalidRequestError, JobFailedError
from models_store.job_requests.channel_rules import (
    require_noise_model_for_each_channel,
    require_same_channels,
)
from models_store.job_requests.plan_channels import ChannelToDenoise, plan_channels
from models_store.job_requests.plan_denoise import plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.job_requests.registered_models import KnownModels
from models_store.job_requests.training_rules import require_what_the_preset_needs
from models_store.noise_model_files.published import SUFFIXES
from models_store.survey.survey import Survey
from models_store.survey.warnings import channel_warnings
from models_store.whole_files import require_writable_folder
from worker.engine.training.presets import PRESETS, TrainingPreset
from worker.judging.removed_noise import REMOVED_NOISE
from worker.offline.carried_out import Prediction, predictions_of
from worker.offline.channels import channels_to_denoise, pixels_of
from worker.offline.denoise_extras import write_noise_models, write_preview, write_report
from worker.offline.denoise_summary import ChannelSummary, DenoiseSummary
from worker.offline.file_names import of_channel, of_series
from worker.offline.files import (
    naming_options,
    noise_model_files,
    read_noise_model_file,
    read_pretrained_file,
    require_room,
    require_writable,
)
from worker.offline.run import OfflineRun, offline_run
from worker.offline.series import OfflineImage, images_alike
from worker.offline.targets import output_format_of, require_options_of_format


@dataclass(frozen=True)
class DenoiseOptions:
    """Options of denoising, and optional files to write besides the result."""

    device: torch.device
    series: Sequence[int] = ()
    """Numbers of the images, from 0, if the file holds several; none: all that can be denoised."""
    preset: Preset = DEFAULT_PRESET
    prior: Prior | None = None
    pretrained: Path | None = None
    """File of a network to use in place of the one that comes with ClearScope."""
    pretrained_stack: Path | None = None
    """The same for planes with neighbours."""
    structured_mask: StructuredMask | None = None
    seed: int = 0
    dtype: OutputDtype = OutputDtype.FLOAT32
    compression: TiffCompression = TiffCompression.NONE
    tiled: bool = False
    crate: bool = False
    """Write an RO-Crate of the result beside it."""
    keep_hot_pixels: bool = False
    noise_model: Path | Sequence[Path | None] | None = None
    """Noise model file (.npz/.npy) to use instead of bootstrapping one: for all channels, or one for each."""
    noise_model_kind: NoiseModelKind = NoiseModelKind.GMM
    """Kind of noise model to bootstrap."""
    save_noise_model: Path | None = None
    """File of the noise model; of several channels, each has its own: `noise_c0.npz` for `noise.npz`."""
    report_folder: Path | None = None
    """Of images that were not recorded alike, each kind has its own files: `noise_s0.npz`, `report/s0`."""
    presets: Mapping[str, TrainingPreset] = field(default_factory=lambda: PRESETS)

    @property
    def other_inputs(self) -> list[Path]:
        """Files that are read besides the image."""
        named = (self.pretrained, self.pretrained_stack)
        return [*noise_model_files(self.noise_model), *filter(None, named)]

    def of_group(self, group: Sequence[OfflineImage], groups: Sequence[object]) -> Self:
        """Return the options for one of several groups of images that share networks and noise models."""
        series = group[0].series
        if len(groups) == 1 or series is None:
            return self
        noise_model, folder = self.save_noise_model, self.report_folder
        return replace(
            self,
            save_noise_model=noise_model and of_series(noise_model, series),
            report_folder=folder and folder / f"s{series}",
        )


def denoise_file(
    source: Path,
    target: Path,
    options: DenoiseOptions,
    on_progress: ShowStage,
    on_warning: Callable[[str], None] = lambda _text: None,
) -> DenoiseSummary:
    """Denoise the only image of a file, or the one that `options.series` names; see `denoise_series`."""
    (summary,) = denoise_series(source, target, options, on_progress, on_warning)
    return summary


def denoise_series(
    source: Path,
    target: Path,
    options: DenoiseOptions,
    on_progress: ShowStage,
    on_warning: Callable[[str], None] = lambda _text: None,
) -> list[DenoiseSummary]:
    """Denoise images of a file, those recorded alike by the plan of one `denoise` job, in constant memory.

    Raises ImageError for a file that cannot be denoised, InvalidRequestError for paths that cannot be read or
    written, NoiseModelInvalidError, and JobFailedError for errors of the engine. `on_progress` may raise to
    stop.
    """
    _require_paths(source, target, options)
    given = options.noise_model
    known = [read_noise_model_file(path) for path in noise_model_files(given)]
    bootstraps = not known or (isinstance(given, Sequence) and None in given)
    kinds = {model.kind for model in known} | ({options.noise_model_kind.value} if bootstraps else set())
    _require_suffix(options, kinds)
    single, stack = options.pretrained, options.pretrained_stack
    pretrained = read_pretrained_file(single) if single else None
    pretrained_stack = read_pretrained_file(stack, of_stacks=True) if stack else None
    warnings: list[str] = []

    def warn(text: str) -> None:
        warnings.append(text)
        on_warning(text)

    with offline_run(
        target.parent, device=options.device, show=on_progress, warn=warn, presets=options.presets
    ) as run:
        groups = images_alike(run, source, target, options.series)
        for group in groups:
            _require_outputs(source, group, options.of_group(group, groups))
        network_id = run.add_network(pretrained) if pretrained else None
        stack_id = run.add_network(pretrained_stack) if pretrained_stack else None
        noise_model_ids = run.add_noise_models(given)
        summaries = []
        for group in groups:
            spec = DenoiseSpec(
                image_ids=[image.image_id for image in group],
                preset=options.preset,
                prior=options.prior,
                pretrained=network_id,
                pretrained_stack=stack_id,
                structured_mask=options.structured_mask,
                reuse=Reuse.NONE,
                noise_model=noise_model_ids,
                noise_model_kind=options.noise_model_kind if bootstraps else None,
                outputs=(Output.DENOISED,),
                output_dtype=options.dtype,
                output_format=output_format_of(target, group[0].header.file_kind),
                output_compression=options.compression,
                output_tiled=options.tiled,
                keep_hot_pixels=options.keep_hot_pixels,
                seed=options.seed,
            )
            require_what_the_preset_needs(spec)
            summary = _denoise_alike(run, spec, source, group, options.of_group(group, groups))
            summaries.append(replace(summary, warnings=tuple(warnings)))
            warnings.clear()
    return summaries


def _denoise_alike(
    run: OfflineRun, spec: DenoiseSpec, source: Path, group: Sequence[OfflineImage], options: DenoiseOptions
) -> DenoiseSummary:
    """Denoise images that share networks and noise models."""
    before_s = dict(run.seconds)
    channels = channels_to_denoise(group)
    for image in group if channels else ():
        for text in channel_warnings(image.survey):
            run.warn_once(text if image.series is None else f"series {image.series}: {text}")
    run.begin(spec)
    plan = _plan(spec, group, channels)
    outcome = run.carry_out_plan(plan)
    targets = {image.image_id: image.target for image in group}
    crates = run.move_results(outcome, targets, crate=options.crate)
    predictions = list(predictions_of(run, plan))
    survey = Survey.of(image.survey for image in group)
    summary = DenoiseSummary(
        images=tuple(image.header for image in group),
        channels=tuple(
            _summary_of(
                prediction,
                _noise_model_origin(spec, prediction.channel),
                survey if prediction.channel is None else channels[prediction.channel].survey,
            )
            for prediction in predictions
        ),
        seconds={stage: spent_s - before_s.get(stage, 0.0) for stage, spent_s in run.seconds.items()},
        removed_noise=outcome.result[REMOVED_NOISE],
        trust=json.loads(run.read_artifact(outcome, TRUST_REPORT)),
    )
    extras: list[Path] = []
    if options.save_noise_model is not None:
        extras += write_noise_models(options.save_noise_model, predictions)
    if options.report_folder is not None:
        first = group[0]
        observed = run.reader.open(source, series=first.series)
        extras += write_report(
            run, options.report_folder, predictions, observed, first.target, summary.record()
        )
        extras += write_preview(run, options.report_folder, outcome)
    return replace(summary, written=(*targets.values(), *crates, *extras))


def _noise_model_origin(spec: DenoiseSpec, channel: int | None) -> str:
    return "bootstrap" if entry_of_channel(spec.noise_model, channel) is None else "file"


def _require_outputs(source: Path, group: Sequence[OfflineImage], options: DenoiseOptions) -> None:
    """Fail early if an output that depends on the headers of the images could not be written."""
    headers = {str(source): group[0].header}
    with naming_options():
        if isinstance(options.noise_model, Sequence):
            require_noise_model_for_each_channel(headers, options.noise_model)
        channels = require_same_channels(headers)
    for image in group:
        require_room(image.target, image.header, options.dtype, divided=bool(channels))
        require_writable(image.target, [source, *options.other_inputs])
    if options.save_noise_model is not None:
        for channel in channels or (None,):
            path = of_channel(options.save_noise_model, channel)
            require_writable(path, [source, *options.other_inputs])


def _plan(spec: DenoiseSpec, group: Sequence[OfflineImage], channels: Sequence[ChannelToDenoise]) -> Plan:
    """Plan a denoising without a registry, with one part for each channel."""
    if channels:
        return plan_channels(spec, channels, _new_job_id)
    images = [ImageExtent.of(image.image_id, image.header, image.header.planes) for image in group]
    extent = PredictionExtent(images, pixels_of(group))
    correlation = Survey.of(image.survey for image in group).noise_correlation
    return plan_denoise(spec, KnownModels(profile=None), extent, _new_job_id, correlation=correlation)


def _new_job_id() -> str:
    return new_id("job")


def _summary_of(prediction: Prediction, noise_model_origin: str, survey: Survey | None) -> ChannelSummary:
    result = prediction.result
    if survey is None:
        raise JobFailedError("the images have not been surveyed")
    return ChannelSummary(
        channel=prediction.channel,
        estimate=result["estimate"],
        reason=result["reason"],
        estimated_mse_adu2=result["estimated_mse_adu2"],
        noise_model=prediction.noise_model.parameters.model_dump(mode="json", exclude={"probabilities"}),
        noise_model_origin=noise_model_origin,
        noise_correlation=survey.noise_correlation,
    )


def _require_suffix(options: DenoiseOptions, kinds: Iterable[str]) -> None:
    """Fail early if the suffix of the noise model file does not match the kinds of the noise models."""
    path = options.save_noise_model
    for kind in kinds:
        suffix = SUFFIXES[NoiseModelKind(kind)]
        if path is not None and path.suffix != suffix:
            raise InvalidRequestError(f"{path}: a noise model of kind {kind} is written as {suffix}")


def _require_paths(source: Path, target: Path, options: DenoiseOptions) -> None:
    """Fail early if an input file is missing or an output file could not be written."""
    require_options_of_format(target, options.compression, tiled=options.tiled)
    if not source.exists():
        raise InvalidRequestError(f"there is no file or folder {source}")
    for path in filter(None, (target, options.save_noise_model)):
        require_writable(path, [source, *options.other_inputs])
    if target == options.save_noise_model:
        raise InvalidRequestError(f"{target} cannot be both the result and the noise model; name two files")
    if options.report_folder is not None:
        require_writable_folder(options.report_folder)
