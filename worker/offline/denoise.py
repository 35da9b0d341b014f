"""Denoise a file in this process, without a server."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models_store.clock_and_ids import new_id
from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.job_specs import channel_of
from models_store.contracts.plans import Plan
from models_store.contracts.prediction_specs import ChooseEstimateSpec, PredictSpec
from models_store.contracts.progress import ShowStage
from models_store.contracts.spec_parts import StructuredMask, entry_of_channel
from models_store.contracts.vocabulary import (
    DEFAULT_PRESET,
    NoiseModelKind,
    Output,
    OutputDtype,
    OutputFormat,
    Preset,
    Prior,
    Reuse,
    TiffCompression,
)
from models_store.errors import InvalidRequestError, JobFailedError
from models_store.image_files.channels import planes_of_channel
from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import PlaneSource
from models_store.image_files.results.ome_zarr.hierarchy import read_plane
from models_store.job_requests.channel_rules import (
    require_noise_model_for_each_channel,
    require_same_channels,
)
from models_store.job_requests.plan_channels import plan_channels
from models_store.job_requests.plan_denoise import KnownModels, plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.job_requests.training_rules import require_what_the_preset_needs
from models_store.noise_model_files.published import SUFFIXES, write_published
from models_store.survey.survey import Survey
from models_store.survey.warnings import channel_warnings
from models_store.whole_files import reporting_write_errors, require_writable_folder, write_whole
from worker.attempt.registry import KnownNoiseModel
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.prediction.inference import predict_plane
from worker.engine.stages.pretrained import estimate_and_factor
from worker.engine.training.presets import PRESETS, TrainingPreset
from worker.jobs.inputs import load_noise_model, load_source_of_signal, named_noise_model
from worker.judging.removed_noise import REMOVED_NOISE
from worker.offline.channels import channels_to_denoise
from worker.offline.denoise_summary import ChannelSummary, DenoiseSummary
from worker.offline.files import (
    naming_options,
    noise_model_files,
    read_noise_model_file,
    read_pretrained_file,
    require_room,
    require_writable,
)
from worker.offline.report import PICTURE, DenoisedPlane, NoiseEvidence, write_reports
from worker.offline.run import OfflineRun, offline_run
from worker.offline.targets import output_format_of, require_options_of_format
from worker.planes.observed_plane import ObservedPlane


@dataclass(frozen=True)
class DenoiseOptions:
    """Options of denoising, and optional files to write besides the result."""

    device: torch.device
    series: int | None = None
    """Number of the image, from 0, if the file holds several."""
    preset: Preset = DEFAULT_PRESET
    prior: Prior | None = None
    pretrained: Path | None = None
    """File of a network to use in place of the one that comes with ClearScope."""
    structured_mask: StructuredMask | None = None
    seed: int = 0
    dtype: OutputDtype = OutputDtype.FLOAT32
    compression: TiffCompression = TiffCompression.NONE
    tiled: bool = False
    keep_hot_pixels: bool = False
    noise_model: Path | Sequence[Path | None] | None = None
    """Noise model file (.npz/.npy) to use instead of bootstrapping one: for all channels, or one for each."""
    noise_model_kind: NoiseModelKind = NoiseModelKind.GMM
    """Kind of noise model to bootstrap."""
    save_noise_model: Path | None = None
    """File of the noise model; of several channels, each has its own: `noise_c0.npz` for `noise.npz`."""
    report_folder: Path | None = None
    presets: Mapping[str, TrainingPreset] = field(default_factory=lambda: PRESETS)

    @property
    def other_inputs(self) -> list[Path]:
        """Files that are read besides the image."""
        return [*noise_model_files(self.noise_model), *noise_model_files(self.pretrained)]


def denoise_file(
    source: Path,
    target: Path,
    options: DenoiseOptions,
    on_progress: ShowStage,
    on_warning: Callable[[str], None] = lambda _text: None,
) -> DenoiseSummary:
    """Denoise an image or stack by the plan of a `denoise` job, in constant memory.

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
    pretrained = read_pretrained_file(options.pretrained) if options.pretrained else None
    warnings: list[str] = []

    def warn(text: str) -> None:
        warnings.append(text)
        on_warning(text)

    with offline_run(
        target.parent, device=options.device, show=on_progress, warn=warn, presets=options.presets
    ) as run:
        image_id, header, survey = run.add_image(source, options.series)
        channels = _channels_of(source, header, options)
        for text in channel_warnings(survey.channels if channels else ()):
            run.warn_once(text)
        _require_outputs(source, target, options, header, channels)
        spec = DenoiseSpec(
            image_ids=[image_id],
            preset=options.preset,
            prior=options.prior,
            pretrained=run.add_network(pretrained) if pretrained else None,
            structured_mask=options.structured_mask,
            reuse=Reuse.NONE,
            noise_model=run.add_noise_models(given),
            noise_model_kind=options.noise_model_kind if bootstraps else None,
            outputs=(Output.DENOISED,),
            output_dtype=options.dtype,
            output_format=output_format_of(target, header.file_kind),
            output_compression=options.compression,
            output_tiled=options.tiled,
            keep_hot_pixels=options.keep_hot_pixels,
            seed=options.seed,
        )
        require_what_the_preset_needs(spec)
        plan = _plan(spec, header, survey)
        outcome = run.carry_out_plan(plan)
        (artifact,) = outcome.artifacts
        run.move_blob(artifact.blob, target)
        predictions = list(_predictions(run, plan))
        summary = DenoiseSummary(
            image=header,
            channels=tuple(
                _summary_of(prediction, _noise_model_origin(spec, prediction.channel), survey)
                for prediction in predictions
            ),
            seconds=dict(run.seconds),
            removed_noise=outcome.result[REMOVED_NOISE],
            warnings=tuple(warnings),
        )
        extras = _write_extras(run, predictions, source, target, options, summary)
        return replace(summary, written=(target, *extras))


def _channels_of(source: Path, header: ImageHeader, options: DenoiseOptions) -> range:
    headers = {str(source): header}
    with naming_options():
        if isinstance(options.noise_model, Sequence):
            require_noise_model_for_each_channel(headers, options.noise_model)
        return require_same_channels(headers)


def _noise_model_origin(spec: DenoiseSpec, channel: int | None) -> str:
    return "bootstrap" if entry_of_channel(spec.noise_model, channel) is None else "file"


def _require_outputs(
    source: Path, target: Path, options: DenoiseOptions, header: ImageHeader, channels: range
) -> None:
    """Fail early if an output that depends on the image's header could not be written."""
    require_room(target, header, options.dtype, divided=bool(channels))
    if options.save_noise_model is not None:
        for channel in channels:
            path = _of_channel(options.save_noise_model, channel)
            require_writable(path, [source, *options.other_inputs])


def _plan(spec: DenoiseSpec, header: ImageHeader, survey: Survey) -> Plan:
    """Plan a denoising without a registry, with one part for each channel."""
    known, pixels = KnownModels(profile=None), header.planes * header.height_px * header.width_px
    (image_id,) = spec.image_ids
    if channels := channels_to_denoise(image_id, header, survey):
        return plan_channels(spec, channels, _new_job_id)
    image = ImageExtent(image_id, header.planes, header.height_px * header.width_px)
    extent = PredictionExtent([image], pixels)
    return plan_denoise(spec, known, extent, _new_job_id, correlation=survey.noise_correlation)


def _new_job_id() -> str:
    return new_id("job")


@dataclass(frozen=True)
class _Prediction:
    """A prediction of a channel or of a whole image: what it was planned with, and what it chose."""

    spec: PredictSpec | ChooseEstimateSpec
    noise_model: KnownNoiseModel
    result: Mapping[str, Any]

    @property
    def channel(self) -> int | None:
        return channel_of(self.spec)


def _predictions(run: OfflineRun, plan: Plan) -> Iterator[_Prediction]:
    context = run.context("", None, lambda *_: None)
    for stage in plan.stages:
        spec = stage.spec
        if isinstance(spec, PredictSpec | ChooseEstimateSpec):
            if (named := named_noise_model(spec)) is None:
                raise JobFailedError("the plan names no noise model")
            noise_model, _ = load_noise_model(context, named)
            yield _Prediction(spec, noise_model, run.registry.result(stage.job_id))


def _summary_of(prediction: _Prediction, noise_model_origin: str, survey: Survey) -> ChannelSummary:
    channel, result = prediction.channel, prediction.result
    surveyed = survey if channel is None else survey.channels[channel]
    return ChannelSummary(
        channel=channel,
        estimate=result["estimate"],
        reason=result["reason"],
        estimated_mse_adu2=result["estimated_mse_adu2"],
        noise_model=prediction.noise_model.parameters.model_dump(mode="json", exclude={"probabilities"}),
        noise_model_origin=noise_model_origin,
        noise_correlation=surveyed.noise_correlation,
    )


def _write_extras(  # the results of a run, and the options
    run: OfflineRun,
    predictions: Sequence[_Prediction],
    source: Path,
    target: Path,
    options: DenoiseOptions,
    summary: DenoiseSummary,
) -> Iterator[Path]:
    """Write the requested noise models and report, and yield their paths."""
    if options.save_noise_model is not None:
        for prediction in predictions:
            path = _of_channel(options.save_noise_model, prediction.channel)
            with reporting_write_errors(path):
                write_whole(path, write_published(prediction.noise_model.parameters).content)
            yield path
    if options.report_folder is not None:
        observed = run.reader.open(source, series=options.series)

        def result(plane: int) -> NDArray[Any]:
            if output_format_of(target, observed.header.file_kind) is OutputFormat.OME_ZARR:
                return read_plane(target, observed.header, plane)
            return run.reader.open(target)[plane]

        drawings = (_drawing(run, prediction, observed, result, options.device) for prediction in predictions)
        yield from write_reports(options.report_folder, drawings, summary.record())


def _drawing(
    run: OfflineRun,
    prediction: _Prediction,
    observed: PlaneSource,
    result: Callable[[int], NDArray[Any]],
    device: torch.device,
) -> tuple[str, DenoisedPlane, NoiseEvidence]:
    """Return a file name, and a plane of a channel or image, before and after, with its noise."""
    context = run.context("", None, lambda *_: None)
    channel = prediction.channel
    planes = range(len(observed)) if channel is None else planes_of_channel(observed.header, channel)
    shown, observation_yx = _plane_to_show(observed, planes)
    pairs = PairCounts()
    network = load_source_of_signal(context, prediction.spec.network)
    if isinstance(network, PretrainedNetwork):
        signal_yx, factor_yx = estimate_and_factor(network, observation_yx, device=device)
        pairs.add(observation_yx, signal_yx, deviation_factor=factor_yx)
    else:
        # The prior mean is independent of the pixel's own noise; a better estimate would hide some of it.
        pairs.add(observation_yx, predict_plane(network, observation_yx, device=device).prior_mean_yx)
    model = load_noise_model(context, prediction.noise_model.noise_model_id)[1]
    name = _of_channel(Path(PICTURE), channel).name
    noise = NoiseEvidence(model, pairs.photon_transfer_curve())
    return name, DenoisedPlane(observation_yx, result(shown)), noise


def _of_channel(path: Path, channel: int | None) -> Path:
    """Return the path of a channel's own file: `noise_c0.npz` for `noise.npz`."""
    return path if channel is None else path.with_stem(f"{path.stem}_c{channel}")


def _plane_to_show(source: PlaneSource, planes: Sequence[int]) -> tuple[int, NDArray[np.float32]]:
    """Return index and pixels of the middle one of some planes, or of the next that is not empty."""
    middle = len(planes) // 2
    for index in (*planes[middle:], *planes[:middle]):
        observed = ObservedPlane.of(source[index])
        if not observed.defects.empty:
            return index, observed.input_yx
    raise JobFailedError("every plane is empty")


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
