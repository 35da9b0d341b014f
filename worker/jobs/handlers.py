"""The handler of each kind of job."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from models_store.contracts.evaluation import EvaluateSpec
from models_store.contracts.job_specs import channel_of
from models_store.contracts.noise_model_specs import (
    BootstrapNoiseModelSpec,
    CheckNoiseModelSpec,
    FitNoiseModelSpec,
    PoolNoiseModelSpec,
    RefitNoiseModelSpec,
)
from models_store.contracts.outcomes import Outcome
from models_store.contracts.prediction_specs import (
    AssembleSpec,
    ChooseEstimateSpec,
    PredictPartSpec,
    PredictSpec,
)
from models_store.contracts.train_spec import TrainSpec
from models_store.errors import JobFailedError
from worker.attempt.context import JobContext
from worker.jobs.assemble import assemble
from worker.jobs.bootstrap_noise_model import bootstrap_noise_model, refit_noise_model
from worker.jobs.channel_messages import naming_channel
from worker.jobs.check_noise_model import check_noise_model
from worker.jobs.evaluate import evaluate
from worker.jobs.fit_noise_model import fit_noise_model
from worker.jobs.pool_noise_model import pool_noise_model
from worker.jobs.predict import choose_estimate, predict
from worker.jobs.predict_part import predict_part
from worker.jobs.train import train

HANDLERS: Mapping[type[BaseModel], Callable[[Any, JobContext], Outcome]] = {
    TrainSpec: train,
    BootstrapNoiseModelSpec: bootstrap_noise_model,
    RefitNoiseModelSpec: refit_noise_model,
    FitNoiseModelSpec: fit_noise_model,
    CheckNoiseModelSpec: check_noise_model,
    PoolNoiseModelSpec: pool_noise_model,
    PredictSpec: predict,
    ChooseEstimateSpec: choose_estimate,
    PredictPartSpec: predict_part,
    AssembleSpec: assemble,
    EvaluateSpec: evaluate,
}


def run_handler(context: JobContext) -> Outcome:
    """Run the handler of the context's job."""
    return carry_out(context.registry.spec(context.job_id), context)


def carry_out(spec: BaseModel, context: JobContext) -> Outcome:
    """Run the handler of a spec; raise JobFailedError for composite jobs."""
    handler = HANDLERS.get(type(spec))
    if handler is None:
        raise JobFailedError(f"{type(spec).__name__} jobs are composite: only their stages are executed")
    channel = channel_of(spec)
    outcome = handler(spec, context) if channel is None else naming_channel(handler, spec, channel, context)
    return outcome.model_copy(update={"surveys": context.new_surveys})
