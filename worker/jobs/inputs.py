"""Inputs of job handlers: images, networks and noise models, as the engine's types."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

from models_store.contracts.noise_model_fit import NoiseModelFit
from models_store.contracts.outcomes import MadeNoiseModel
from models_store.contracts.prediction_specs import ChooseEstimateSpec, PredictSpec
from models_store.contracts.spec_parts import (
    PACKAGED,
    PRETRAINED,
    MadeByJob,
    Reference,
    StructuredMask,
    TrainingBudget,
)
from models_store.contracts.vocabulary import Method
from models_store.errors import JobFailedError
from models_store.image_files.channels import ChannelPlanes, planes_of_channel
from models_store.image_files.neighbour_axis import NeighbourAxis
from models_store.image_files.planes import PlaneSource
from models_store.job_requests.detector_levels import levels_of_image, other_levels
from models_store.job_requests.noise_model_fit import fit_with_drift, judge_fit
from models_store.survey.survey import Survey
from models_store.survey.warnings import channel_warnings, pixel_warnings, warnings_of_images
from worker.attempt.context import JobContext
from worker.attempt.registry import KnownImage, KnownNoiseModel
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork, packaged_network, packaged_stack_network
from worker.engine.noise.models.kinds import AnyNoiseModel, noise_model_from_parameters
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.training.presets import TrainingPreset
from worker.judging.calibration_scenes import SIGNAL_RANGE
from worker.planes.float_planes import FloatPlanes, GroundTruthPlanes, MeasuredPlanes
from worker.planes.observed_stack import ObservedStack

OTHER_FILES = 256
"""Upper bound of the files that a job process has open besides its images."""


@dataclass(frozen=True)
class OpenImage:
    """An image of the job, opened for reading plane by plane."""

    known: KnownImage
    reader: PlaneSource
    channel: int | None = None
    """The only channel whose planes the job reads; None: it reads all planes."""

    @property
    def planes(self) -> PlaneSequence:
        return self.reader if self.channel is None else ChannelPlanes(self.reader, self.channel)

    @cached_property
    def stack(self) -> ObservedStack:
        return ObservedStack(self.planes, self.beside.axis)

    @property
    def beside(self) -> NeighbourAxis:
        """The axis along which its planes may help each other."""
        return NeighbourAxis.of(self.reader.header, self.channel)

    @property
    def plane_indices(self) -> Sequence[int]:
        if self.channel is None:
            return range(len(self.reader))
        return planes_of_channel(self.reader.header, self.channel)

    @property
    def image_id(self) -> str:
        return self.known.image_id

    @property
    def filename(self) -> str:
        return self.known.filename

    @property
    def title(self) -> str:
        return self.known.title


@contextmanager
def open_images(
    context: JobContext, image_ids: Sequence[str], channel: int | None = None
) -> Iterator[list[OpenImage]]:
    """Open images in the order of their ids; those of a remote store are read by ranges."""
    known = context.registry.images(list(dict.fromkeys(image_ids)))
    _allow_open_files(len(known) + OTHER_FILES)
    with ExitStack() as stack:
        opened = {}
        for image in known:
            planes = stack.enter_context(open_blob(context, image.blob_key, image.series))
            opened[image.image_id] = OpenImage(image, planes, channel)
        yield [opened[image_id] for image_id in image_ids]


@contextmanager
def open_blob(context: JobContext, blob_key: str, series: int | None = None) -> Iterator[PlaneSource]:
    """Open an image blob; of a local file, pixels are counted as read, of a remote one, fetched bytes."""
    file = context.blobs.local_path_or_ranges(blob_key)
    yield MeasuredPlanes(context.reader.open(file, series=series), context.blobs.count_read)


def _allow_open_files(count: int) -> None:
    """Raise this process's soft limit of open files; 1024 is usual, and a job may have 1000 images."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def all_planes(images: Sequence[OpenImage]) -> FloatPlanes:
    return FloatPlanes([image.stack for image in images])


def ground_truth_planes(truths: Sequence[OpenImage], images: Sequence[OpenImage]) -> GroundTruthPlanes:
    return GroundTruthPlanes([truth.reader for truth in truths], [image.plane_indices for image in images])


def survey_of(context: JobContext, images: Sequence[OpenImage]) -> Survey:
    """Return the joint survey of these images, made at upload or now."""
    (channel,) = {image.channel for image in images}
    return context.survey([(image.known, image.reader) for image in images], channel)


def warn_of_images(context: JobContext, images: Sequence[OpenImage]) -> list[str]:
    """Issue warnings about the images' files, unless one channel is read, and pixels; return them."""
    distinct = {image.image_id: image for image in images}.values()
    found = [] if any(image.channel is not None for image in images) else warn_of_files(context, images)
    return found + _warn(context, [(each, pixel_warnings(survey_of(context, [each]))) for each in distinct])


def warn_of_files(context: JobContext, images: Sequence[OpenImage]) -> list[str]:
    """Issue warnings about what the images' files lack, and return them."""
    distinct = {image.image_id: image for image in images}.values()
    return _warn(context, [(each, each.reader.header.warnings) for each in distinct])


def warn_of_channels(context: JobContext, images: Sequence[OpenImage]) -> list[str]:
    """Issue warnings about channels that differ, or are copies, as far as they have been surveyed."""
    distinct = {image.image_id: image for image in images}.values()
    surveys = [(each, each.known.survey) for each in distinct]
    return _warn(context, [(image, channel_warnings(found) if found else []) for image, found in surveys])


def _warn(context: JobContext, warnings: Sequence[tuple[OpenImage, Sequence[str]]]) -> list[str]:
    """Issue warnings; they name the image if the job, or another part of it, may read several."""
    named = [(image.title, texts) for image, texts in warnings]
    found = warnings_of_images(named)
    if any(image.known.series is not None for image, _ in warnings):
        found = [f"{title}: {text}" for title, texts in named for text in texts]
    for warning in found:
        context.warn(warning)
    return found


def load_source_of_signal(context: JobContext, reference: Reference) -> Network | PretrainedNetwork:
    """Return a network whose predictions serve as pseudo ground truth."""
    return load_pretrained(context, reference) or load_network(context, reference)[1]


def load_pretrained(context: JobContext, reference: Reference) -> PretrainedNetwork | None:
    """Return the packaged network or an imported one; None if the reference is to a network of images."""
    if reference == PRETRAINED:
        return packaged_network()
    known = context.registry.network(resolve(context, reference, "network_id"))
    if known.method is not Method.PRETRAINED:
        return None
    return PretrainedNetwork.from_bytes(context.blobs.get(known.blob_key))


def load_pretrained_stack(context: JobContext, reference: str | None) -> PretrainedNetwork:
    """Return the network for planes with neighbours: an imported one, or else the packaged one."""
    if reference in {None, PACKAGED}:
        return packaged_stack_network()
    known = context.registry.network(str(reference))
    return PretrainedNetwork.from_bytes(context.blobs.get(known.blob_key))


def load_network(context: JobContext, reference: Reference) -> tuple[str, Network]:
    """Return a network's id and the network."""
    known = context.registry.network(resolve(context, reference, "network_id"))
    return known.network_id, Network.from_bytes(context.blobs.get(known.blob_key))


def load_network_if_made(context: JobContext, reference: Reference | None) -> Network | None:
    """Return a network, or None if no network is referenced or the referenced stage made none."""
    if reference is None or (
        isinstance(reference, MadeByJob) and not context.registry.result(reference.job).get("network_id")
    ):
        return None
    return load_network(context, reference)[1]


def fit_of_images(
    known: KnownNoiseModel, images: Sequence[OpenImage], survey: Survey, name: str
) -> NoiseModelFit | None:
    """Judge a noise model of the registry by the images of a job, and by the checks of its camera."""
    levels = [
        levels_of_image(image.reader.header, image.known.requested_settings, image.channel)
        for image in images
    ]
    other = other_levels(known.parameters, known.levels, levels, survey.values)
    fit = judge_fit(known.parameters, survey, name, other, bootstrapped=known.origin.is_of_data)
    return fit_with_drift(fit, known.drift, name)


def warn_of_fit(context: JobContext, known: KnownNoiseModel, images: Sequence[OpenImage]) -> list[str]:
    """Warn of a noise model that is retired, or does not explain the images' noise; return the warnings."""
    name = f"the noise model {known.noise_model_id}"
    fit = fit_of_images(known, images, survey_of(context, images), name)
    told = [fit.told] if fit is not None and fit.told is not None else []
    if known.retired is not None:
        told.append(f"{name} has been retired {known.retired}; this job was planned to use it all the same")
    for warning in told:
        context.warn(warning)
    return told


def load_noise_model(context: JobContext, reference: Reference) -> tuple[KnownNoiseModel, AnyNoiseModel]:
    """Return a noise model's registry entry and the noise model."""
    known = context.registry.noise_model(resolve(context, reference, "noise_model_id"))
    return known, noise_model_from_parameters(known.parameters.plain())


def named_noise_model(spec: PredictSpec | ChooseEstimateSpec) -> Reference | None:
    """Return the noise model that a prediction names for its planes, which are of one channel."""
    named = spec.noise_model
    return named[0] if isinstance(named, tuple) else named


def calibrated_range_adu(known: KnownNoiseModel | MadeNoiseModel) -> tuple[float, float]:
    """Return the range of signals (ADU) a noise model was fitted to; a histogram's own is the images'."""
    parameters = known.parameters
    fallback = (parameters.signal_min_adu, parameters.signal_max_adu)
    low_adu, high_adu = known.fit_quality.get(SIGNAL_RANGE) or fallback
    return low_adu, high_adu


def preset_with(
    preset: TrainingPreset, budget: TrainingBudget, mask: StructuredMask | None = None
) -> TrainingPreset:
    """Return the preset with the job's overrides applied."""
    mask = mask or StructuredMask()
    return replace(
        preset,
        blind_y_px=mask.y_px,
        blind_x_px=mask.x_px,
        features=budget.features or preset.features,
        samples=budget.samples or preset.samples,
        n2v_steps=budget.steps or preset.n2v_steps,
        pn2v_steps=budget.steps or preset.pn2v_steps,
        teacher_share=1.0 if budget.steps else preset.teacher_share,
        # A preset without distillation stays without it when the number of steps is overridden.
        distillation_steps=preset.distillation_steps and (budget.steps or preset.distillation_steps),
        distillation_px=None if budget.steps else preset.distillation_px,
    )


def resolve(context: JobContext, reference: Reference, id_field: str) -> str:
    if not isinstance(reference, MadeByJob):
        return reference
    found: str | None = context.registry.result(reference.job).get(id_field)
    if found is None:
        raise JobFailedError(f"job {reference.job} made no {id_field.removesuffix('_id').replace('_', ' ')}")
    return found
