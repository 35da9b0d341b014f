"""Fitting a noise model to calibrations, as a job."""

from models_store.contracts.job_specs import FitNoiseModelSpec
from models_store.contracts.outcomes import Outcome
from models_store.contracts.vocabulary import NoiseModelOrigin
from worker.attempt.context import JobContext
from worker.engine.stages.calibrate import calibrate_noise_model
from worker.jobs.inputs import all_planes, open_images
from worker.jobs.made_noise_models import made_noise_model
from worker.judging.calibration_scenes import findings, scenes_of

_READING = 0.8  # share of the job that goes into reading frames, before the fit


def fit_noise_model(spec: FitNoiseModelSpec, context: JobContext) -> Outcome:
    """Check the frames, fit the noise model, and compare it with the images that it is for."""
    with (
        open_images(context, spec.image_ids) as frames,
        open_images(context, spec.data_image_ids or ()) as images,
    ):
        calibration = calibrate_noise_model(
            scenes_of([(each.filename, each.reader) for each in frames]),
            kind=spec.noise_model_kind.value,
            images=all_planes(images) if images else None,
            seed=spec.seed,
            on_frame=lambda done, of: context.report(_READING * done / of, f"frame {done} of {of} read"),
        )
    for warning in calibration.warnings:
        context.warn(warning)
    found = findings(calibration)
    selected = calibration.selected
    return Outcome(
        noise_model=made_noise_model(selected, NoiseModelOrigin.CALIBRATION, found),
        result={"verdict": selected.check.verdict, "check": selected.check.summary, **found},
    )
