"""What handlers read: images, networks and noise models, in the engine's terms."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from models_store.contracts.spec_parts import MadeByJob, Reference, StructuredMask, TrainingBudget
from models_store.errors import JobFailedError
from models_store.image_files.planes import PlaneSource
from models_store.survey.survey import Survey
from worker.attempt.context import JobContext
from worker.attempt.registry import KnownImage, KnownNoiseModel
from worker.engine.networks.network import Network
from worker.engine.noise.models.kinds import AnyNoiseModel, noise_model_from_parameters
from worker.engine.training.presets import TrainingPreset
from worker.judging.calibration_scenes import SIGNAL_RANGE
from worker.planes.float_planes import FloatPlanes, GroundTruthPlanes, MeasuredPlanes

OTHER_FILES = 256
"""More than a job's process has open besides its images."""


@dataclass(frozen=True)
class OpenImage:
    """An image of the job, open for reading plane by plane."""

    known: KnownImage
    reader: PlaneSource

    @property
    def image_id(self) -> str:
        return self.known.image_id

    @property
    def filename(self) -> str:
        return self.known.filename


@contextmanager
def open_images(context: JobContext, image_ids: Sequence[str]) -> Iterator[list[OpenImage]]:
    """Open images, in the order of their ids; what is remote, or named twice, is fetched once."""
    known = context.registry.images(list(dict.fromkeys(image_ids)))
    _allow_open_files(len(known) + OTHER_FILES)
    with ExitStack() as stack:
        opened = {}
        for image in known:
            planes = stack.enter_context(open_blob(context, image.blob_key))
            opened[image.image_id] = OpenImage(image, planes)
        yield [opened[image_id] for image_id in image_ids]


@contextmanager
def open_blob(context: JobContext, blob_key: str) -> Iterator[PlaneSource]:
    """Open an image file among the blobs, and count what is read of it."""
    with context.blobs.as_file(blob_key) as path:
        yield MeasuredPlanes(context.reader.open(path), context.blobs.count_read)


def _allow_open_files(count: int) -> None:
    """Raise this process's limit as far as the system lets it: usual is 1024, a job may have 1000 images."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if most == resource.RLIM_INFINITY else min(count, most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def all_planes(images: Sequence[OpenImage]) -> FloatPlanes:
    return FloatPlanes([image.reader for image in images])


def ground_truth_planes(truths: Sequence[OpenImage], images: Sequence[OpenImage]) -> GroundTruthPlanes:
    return GroundTruthPlanes([truth.reader for truth in truths], [image.reader for image in images])


def survey_of(context: JobContext, images: Sequence[OpenImage]) -> Survey:
    """Give the survey of these images together, made at upload or now."""
    return context.survey([(image.known, image.reader) for image in images])


def load_network(context: JobContext, reference: Reference) -> tuple[str, Network]:
    """Give a network with its id."""
    known = context.registry.network(_resolve(context, reference, "network_id"))
    return known.network_id, Network.from_bytes(context.blobs.get(known.blob_key))


def load_network_if_made(context: JobContext, reference: Reference | None) -> Network | None:
    """Give a network; None where none is asked for, or the stage that would make it has made none."""
    if reference is None or (
        isinstance(reference, MadeByJob) and not context.registry.result(reference.job).get("network_id")
    ):
        return None
    return load_network(context, reference)[1]


def load_noise_model(context: JobContext, reference: Reference) -> tuple[KnownNoiseModel, AnyNoiseModel]:
    """Give a noise model, of whichever kind, with what is known of it."""
    known = context.registry.noise_model(_resolve(context, reference, "noise_model_id"))
    return known, noise_model_from_parameters(known.parameters.plain())


def calibrated_range_adu(known: KnownNoiseModel) -> tuple[float, float]:
    """Give the signals that a noise model was fitted to: a histogram's own range is that of the images."""
    parameters = known.parameters
    fallback = (parameters.signal_min_adu, parameters.signal_max_adu)
    low_adu, high_adu = known.fit_quality.get(SIGNAL_RANGE) or fallback
    return low_adu, high_adu


def preset_with(
    preset: TrainingPreset, budget: TrainingBudget, mask: StructuredMask | None = None
) -> TrainingPreset:
    """Give a preset with a job's departures from it."""
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
        # A preset that distils nothing does not begin to when it is given other steps.
        distillation_steps=preset.distillation_steps and (budget.steps or preset.distillation_steps),
        distillation_px=None if budget.steps else preset.distillation_px,
    )


def _resolve(context: JobContext, reference: Reference, made: str) -> str:
    if not isinstance(reference, MadeByJob):
        return reference
    found: str | None = context.registry.result(reference.job).get(made)
    if found is None:
        raise JobFailedError(f"job {reference.job} made no {made.removesuffix('_id').replace('_', ' ')}")
    return found
