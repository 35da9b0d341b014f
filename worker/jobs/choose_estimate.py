"""Deciding noise model and estimate for all parts of a prediction, as a job."""

from models_store.contracts.job_specs import ChooseEstimateSpec
from models_store.contracts.outcomes import Outcome
from worker.attempt.context import JobContext
from worker.jobs.estimates import outcome_of, prepare
from worker.jobs.inputs import open_images


def choose_estimate(spec: ChooseEstimateSpec, context: JobContext) -> Outcome:
    """Decide from all images, as an undivided prediction would."""
    with open_images(context, spec.image_ids) as images:
        return outcome_of(prepare(spec, context, images, context.report))
