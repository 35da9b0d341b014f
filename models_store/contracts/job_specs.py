"""Job specs: a union discriminated by `kind`.

Users post a `JobSpec`. A prediction of many planes is split into stages of further kinds, which only the
planner creates.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.evaluation import EvaluateSpec, UploadedResults
from models_store.contracts.noise_model_specs import (
    BootstrapNoiseModelSpec,
    CheckNoiseModelSpec,
    FitNoiseModelSpec,
    PoolNoiseModelSpec,
    RefitNoiseModelSpec,
)
from models_store.contracts.prediction_specs import (
    AssembleSpec,
    ChooseEstimateSpec,
    PredictPartSpec,
    PredictSpec,
)
from models_store.contracts.spec_parts import (
    PACKAGED,
    PRETRAINED,
    MadeByJob,
)
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import (
    Queue,
)

CalibrationSpec = FitNoiseModelSpec | CheckNoiseModelSpec | PoolNoiseModelSpec
JobSpec = Annotated[
    DenoiseSpec | TrainSpec | BootstrapNoiseModelSpec | CalibrationSpec | PredictSpec | EvaluateSpec,
    Field(discriminator="kind"),
]
PredictionStageSpec = PredictSpec | ChooseEstimateSpec | PredictPartSpec | AssembleSpec
StageSpec = TrainSpec | BootstrapNoiseModelSpec | RefitNoiseModelSpec | PredictionStageSpec
StoredSpec = Annotated[DenoiseSpec | CalibrationSpec | EvaluateSpec | StageSpec, Field(discriminator="kind")]

job_spec: TypeAdapter[JobSpec] = TypeAdapter(JobSpec)
stored_spec: TypeAdapter[StoredSpec] = TypeAdapter(StoredSpec)


def dependencies(spec: StoredSpec) -> set[str]:
    """Return the ids of the jobs whose results a job needs."""
    return {reference.job for reference in _references(spec)}


def _references(value: object) -> Iterator[MadeByJob]:
    if isinstance(value, MadeByJob):
        yield value
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _references(getattr(value, field))
    elif isinstance(value, tuple):
        for each in value:
            yield from _references(each)


def images_read(spec: StoredSpec) -> list[str]:
    """Return the ids of the images that a job reads, without duplicates."""
    match spec:
        case EvaluateSpec():
            runs = [run for candidate in spec.candidates for run in candidate.runs]
            uploaded = [run.image_ids for run in runs if isinstance(run, UploadedResults)]
            image_ids = [spec.ground_truth_ids, *uploaded]
        case TrainSpec():
            image_ids = [spec.image_ids, spec.ground_truth_ids or []]
        case FitNoiseModelSpec():
            image_ids = [spec.image_ids, spec.data_image_ids or [], spec.dark_image_ids or []]
        case CheckNoiseModelSpec():
            image_ids = [spec.image_ids, spec.dark_image_ids or []]
        case PoolNoiseModelSpec():
            image_ids = []
        case _:
            image_ids = [spec.image_ids]
    return list(dict.fromkeys(chain.from_iterable(image_ids)))


def networks_named(spec: StoredSpec) -> set[str]:
    """Return the ids of the networks that a spec names directly, not through the job that makes them."""
    return _named(
        spec, "network", "pretrained", "pretrained_stack", "start", "teacher", "compare_with", "distilled"
    )


def noise_models_named(spec: StoredSpec) -> set[str]:
    """Return the ids of the noise models that a spec names directly."""
    return _named(spec, "noise_model")


def _named(spec: StoredSpec, *fields: str) -> set[str]:
    values = (getattr(spec, field, None) for field in fields)
    references = chain.from_iterable(value if isinstance(value, tuple) else (value,) for value in values)
    return {reference for reference in references if isinstance(reference, str)} - {PRETRAINED, PACKAGED}


def channel_of(spec: BaseModel) -> int | None:
    """Return the index of the only channel whose planes a job reads; None: it reads all planes."""
    match spec:
        case (
            TrainSpec()
            | BootstrapNoiseModelSpec()
            | CheckNoiseModelSpec()
            | RefitNoiseModelSpec()
            | ChooseEstimateSpec()
            | PredictPartSpec()
        ):
            return spec.channel
        case _:
            return None


def queue_of(spec: StoredSpec) -> Queue:
    """Return the queue of a job: GPU for training and prediction, CPU for jobs that compute little."""
    fits = BootstrapNoiseModelSpec | CalibrationSpec
    return Queue.CPU if isinstance(spec, DenoiseSpec | fits | AssembleSpec | EvaluateSpec) else Queue.GPU
