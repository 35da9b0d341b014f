"""What handlers read: images, networks and noise models, from the store into the engine's terms."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from models_store.contracts.spec_parts import MadeByJob, Reference, StructuredMask, TrainingBudget
from models_store.contracts.vocabulary import Preset
from models_store.errors import JobFailedError
from models_store.image_files.tiff.reader import PlaneReader, open_planes
from models_store.repositories.images import get_images
from models_store.repositories.jobs.rows import get_job
from models_store.repositories.networks import get_network
from models_store.repositories.noise_models import get_noise_model, parameters_of
from worker.attempt.context import JobContext
from worker.engine.networks.network import Network
from worker.engine.noise.models.kinds import AnyNoiseModel, noise_model_from_parameters
from worker.engine.training.presets import PRESETS, TrainingPreset
from worker.judging.calibration_scenes import SIGNAL_RANGE
from worker.planes.float_planes import FloatPlanes, GroundTruthPlanes

OTHER_FILES = 256
"""More than a job's process has open besides its images."""


@dataclass(frozen=True)
class OpenImage:
    """An image of the job, open for reading plane by plane."""

    image_id: str
    filename: str
    reader: PlaneReader


@contextmanager
def open_images(context: JobContext, image_ids: Sequence[str]) -> Iterator[list[OpenImage]]:
    """Open images, in the order of their ids; what is remote, or named twice, is fetched once."""
    with context.database.read() as session:
        rows = get_images(session, list(dict.fromkeys(image_ids)))
    _allow_open_files(len(rows) + OTHER_FILES)
    with ExitStack() as stack:
        opened = {}
        for row in rows:
            path = stack.enter_context(context.blobs.as_file(row.blob_key))
            opened[row.id] = OpenImage(row.id, row.filename, stack.enter_context(open_planes(path)))
        yield [opened[image_id] for image_id in image_ids]


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


def load_network(context: JobContext, reference: Reference) -> tuple[str, Network]:
    """Give a network with its id."""
    network_id = _resolve(context, reference, "network_id")
    with context.database.read() as session:
        blob_key = get_network(session, network_id).blob_key
    return network_id, Network.from_bytes(context.blobs.get(blob_key))


def load_network_if_made(context: JobContext, reference: Reference | None) -> Network | None:
    """Give a network that a job does without where there is none, or its stage found it to be of no use."""
    if reference is None or (
        isinstance(reference, MadeByJob) and not _made(context, reference, "network_id")
    ):
        return None
    return load_network(context, reference)[1]


def load_noise_model(context: JobContext, reference: Reference) -> tuple[str, AnyNoiseModel]:
    """Give a noise model, of whichever kind, with its id."""
    noise_model_id = _resolve(context, reference, "noise_model_id")
    with context.database.read() as session:
        parameters = parameters_of(get_noise_model(session, noise_model_id))
    return noise_model_id, noise_model_from_parameters(parameters.plain())


def calibrated_range_adu(
    context: JobContext, noise_model_id: str, model: AnyNoiseModel
) -> tuple[float, float]:
    """Give the signals that a noise model was fitted to: a histogram's own range is that of the images."""
    with context.database.read() as session:
        found = get_noise_model(session, noise_model_id).fit_quality.get(SIGNAL_RANGE)
    low_adu, high_adu = found or (model.signal_min_adu, model.signal_max_adu)
    return low_adu, high_adu


def preset_with(name: Preset, budget: TrainingBudget, mask: StructuredMask | None = None) -> TrainingPreset:
    """Give a preset with a job's departures from it."""
    preset = PRESETS[name]
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
    found = _made(context, reference, made)
    if found is None:
        raise JobFailedError(f"job {reference.job} made no {made.removesuffix('_id').replace('_', ' ')}")
    return found


def _made(context: JobContext, reference: MadeByJob, made: str) -> str | None:
    with context.database.read() as session:
        found: str | None = get_job(session, reference.job).result.get(made)
    return found
