"""Which handler carries out which kind of job."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from models_store.contracts.evaluation import EvaluateSpec
from models_store.contracts.job_specs import (
    AssembleSpec,
    BootstrapNoiseModelSpec,
    CheckNoiseModelSpec,
    ChooseEstimateSpec,
    FitNoiseModelSpec,
    PredictPartSpec,
    PredictSpec,
    TrainSpec,
    stored_spec,
)
from models_store.contracts.outcomes import Outcome
from models_store.errors import JobFailedError
from models_store.repositories.jobs.rows import get_job
from worker.attempt.context import JobContext
from worker.jobs.assemble import assemble
from worker.jobs.bootstrap_noise_model import bootstrap_noise_model
from worker.jobs.check_noise_model import check_noise_model
from worker.jobs.choose_estimate import choose_estimate
from worker.jobs.evaluate import evaluate
from worker.jobs.fit_noise_model import fit_noise_model
from worker.jobs.predict import predict
from worker.jobs.predict_part import predict_part
from worker.jobs.train import train

HANDLERS: Mapping[type[BaseModel], Callable[[Any, JobContext], Outcome]] = {
    TrainSpec: train,
    BootstrapNoiseModelSpec: bootstrap_noise_model,
    FitNoiseModelSpec: fit_noise_model,
    CheckNoiseModelSpec: check_noise_model,
    PredictSpec: predict,
    ChooseEstimateSpec: choose_estimate,
    PredictPartSpec: predict_part,
    AssembleSpec: assemble,
    EvaluateSpec: evaluate,
}


def run_handler(context: JobContext) -> Outcome:
    """Carry out the context's job."""
    with context.database.read() as session:
        spec = stored_spec.validate_python(get_job(session, context.job_id).spec)
    handler = HANDLERS.get(type(spec))
    if handler is None:
        raise JobFailedError(f"a job of kind {spec.kind} is not computed itself, its stages are")
    return handler(spec, context)
