"""Which handler carries out which kind of job."""

from models_store.contracts.jobs import (
    AssembleSpec,
    BootstrapNoiseModelSpec,
    ChooseEstimateSpec,
    DenoiseSpec,
    EvaluateSpec,
    PredictPartSpec,
    PredictSpec,
    TrainSpec,
    stored_spec,
)
from models_store.contracts.outcomes import Outcome
from models_store.errors import JobFailedError
from models_store.repositories.jobs import get_job
from worker.context import JobContext
from worker.jobs.assemble import assemble
from worker.jobs.bootstrap_noise_model import bootstrap_noise_model
from worker.jobs.choose_estimate import choose_estimate
from worker.jobs.evaluate import evaluate
from worker.jobs.predict import predict
from worker.jobs.predict_part import predict_part
from worker.jobs.train import train


def run_handler(context: JobContext) -> Outcome:
    """Carry out the context's job."""
    with context.database.read() as session:
        spec = stored_spec.validate_python(get_job(session, context.job_id).spec)
    match spec:
        case TrainSpec():
            made = train(spec, context)
        case BootstrapNoiseModelSpec():
            made = bootstrap_noise_model(spec, context)
        case PredictSpec():
            made = predict(spec, context)
        case ChooseEstimateSpec():
            made = choose_estimate(spec, context)
        case PredictPartSpec():
            made = predict_part(spec, context)
        case AssembleSpec():
            made = assemble(spec, context)
        case EvaluateSpec():
            made = evaluate(spec, context)
        case DenoiseSpec():
            raise JobFailedError(f"a job of kind {spec.kind} is not computed itself, its stages are")
    return made
