"""Denoise files with a network, in this process, without a server."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models_store.clock_and_ids import new_id
from models_store.contracts.prediction_specs import ChooseEstimateSpec, PredictSpec
from models_store.contracts.progress import ShowStage
from models_store.contracts.trust import TRUST
from models_store.contracts.vocabulary import Method, Output, OutputDtype, TiffCompression
from models_store.errors import InvalidRequestError
from models_store.image_files.channels import channel_title
from models_store.image_files.header import ImageHeader
from models_store.job_requests.channel_rules import (
    channel_given,
    require_noise_model_for_each_channel,
    require_same_channels,
)
from models_store.job_requests.plan_channels import plan_predictions
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.offline.channels import channels_to_denoise
from worker.offline.files import (
    checked,
    naming_file,
    naming_options,
    noise_model_files,
    read_pretrained_file,
    require_room,
    require_writable,
)
from worker.offline.network_files import read_any_network
from worker.offline.run import OfflineRun, offline_run
from worker.offline.series import OfflineImage, images_alike
from worker.offline.targets import output_format_of, require_options_of_format


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
    pretrained_stack: Path | None = None
    """Network for planes with neighbours beside a pretrained `network`; None: the packaged one."""

    @property
    def other_inputs(self) -> list[Path]:
        """Files that are read besides the image."""
        named = (self.network, self.pretrained_stack)
        return [*filter(None, named), *noise_model_files(self.noise_model)]


@dataclass(frozen=True)
class Predicted:
    """What was predicted of images with the same channels."""

    estimates: Sequence[str]
    """The chosen estimate of each channel that was denoised, with the reason."""
    written: Sequence[Path]
    trust: str
    """Whether to trust the results, and why, in one sentence."""


def predict_file(
    source: Path,
    target: Path,
    options: PredictionOptions,
    on_progress: ShowStage,
    on_warning: Callable[[str], None],
) -> list[Predicted]:
    """Denoise the images of a file like a `predict` job, those recorded alike together.

    Raises InvalidRequestError for files that are unreadable or do not match, and JobFailedError for errors of
    the engine.
    """
    require_options_of_format(target, options.compression, tiled=options.tiled)
    require_writable(target, [source, *options.other_inputs])
    network = read_any_network(options.network)
    _require_what_the_network_has(network, options)
    stack_file = options.pretrained_stack
    stack = read_pretrained_file(stack_file, of_stacks=True) if stack_file else None
    with offline_run(target.parent, device=options.device, show=on_progress, warn=on_warning) as run:
        with naming_file(source):
            groups = images_alike(run, source, target, options.series)
        ids = _Ids(
            network=run.add_network(network),
            pretrained_stack=run.add_network(stack) if stack else None,
            noise_model=run.add_noise_models(options.noise_model),
        )
        return [_predict_alike(run, source, group, options, ids) for group in groups]


@dataclass(frozen=True)
class _Ids:
    """Ids of what a prediction uses in the run's registry."""

    network: str
    pretrained_stack: str | None
    noise_model: str | tuple[str | None, ...] | None


def _predict_alike(
    run: OfflineRun,
    source: Path,
    group: Sequence[OfflineImage],
    options: PredictionOptions,
    ids: _Ids,
) -> Predicted:
    """Denoise images with the same channels."""
    header, channels = group[0].header, channels_to_denoise(group)
    for image in group:
        require_room(image.target, image.header, options.dtype, divided=bool(channels))
        require_writable(image.target, [source, *options.other_inputs])
    spec = checked(
        PredictSpec,
        image_ids=[image.image_id for image in group],
        network=ids.network,
        pretrained_stack=ids.pretrained_stack,
        noise_model=ids.noise_model,
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
    return Predicted(estimates, [*targets.values(), *crates], outcome.result[TRUST]["sentence"])


def _channel_to_denoise(source: Path, header: ImageHeader, options: PredictionOptions) -> int | None:
    headers = {str(source): header}
    with naming_options():
        require_same_channels(headers)
        channel = None if options.channel is None else channel_given(str(source), header, options.channel)
        if isinstance(options.noise_model, Sequence):
            require_noise_model_for_each_channel(headers, options.noise_model, channel)
    return channel


def _require_what_the_network_has(network: Network | PretrainedNetwork, options: PredictionOptions) -> None:
    """Raise InvalidRequestError for a noise model or an estimate that is missing or not used."""
    if isinstance(network, Network):
        method = Method(network.method)
    elif network.sees_neighbours:
        raise InvalidRequestError(
            f"{options.network} is a network for planes with neighbours; name it with --pretrained-stack, "
            "beside one for single planes"
        )
    else:
        method = Method.PRETRAINED
    if options.pretrained_stack is not None and method is not Method.PRETRAINED:
        raise InvalidRequestError(
            "--pretrained-stack: its estimate competes with that of a pretrained network, and "
            f"{options.network} is of method {method}; leave the option out"
        )
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
