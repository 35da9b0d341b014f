"""Job handler: fit a noise model to calibration frames."""

from models_store.contracts.noise_model_specs import FitNoiseModelSpec
from models_store.contracts.outcomes import Outcome
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.image_files.channels import channel_called
from worker.attempt.context import JobContext
from worker.attempt.progress import READING_FRAMES, part_of, planes_done
from worker.engine.stages.calibrate import calibrate_noise_model
from worker.jobs.inputs import all_planes, open_images, survey_of
from worker.jobs.made_noise_models import made_noise_model
from worker.jobs.measured_scenes import MeasuredScenes
from worker.judging.calibration_scenes import exposures_s_of, findings, scenes_of
from worker.judging.camera_reference import BASELINE
from worker.judging.image_facts import facts_of


def fit_noise_model(spec: FitNoiseModelSpec, context: JobContext) -> Outcome:
    """Check the frames, fit the noise model, and compare its range with that of the images to denoise."""
    with (
        open_images(context, spec.image_ids) as frames,
        open_images(context, spec.dark_image_ids or ()) as dark,
        open_images(context, spec.data_image_ids or (), _channel(spec, context)) as images,
    ):
        facts = facts_of(survey_of(context, frames))
        files = [(each.title, each.reader) for each in frames]
        measured = MeasuredScenes(exposures_s_of(files))
        calibration = calibrate_noise_model(
            scenes_of(files),
            facts,
            kind=spec.noise_model_kind.value,
            images=all_planes(images) if images else None,
            images_facts=facts_of(survey_of(context, images)) if images else None,
            seed=spec.seed,
            on_frame=planes_done(part_of(context.report, 0, READING_FRAMES), "frame"),
            on_scene=measured.add_lit,
        )
        of_dark = measured.read_dark(context, dark)
    warnings = [*calibration.warnings, *of_dark]
    for warning in warnings:
        context.warn(warning)
    figures = measured.figures(rounding_adu2=facts.step_adu**2 / 12)
    found = {**findings(calibration), "warnings": warnings, BASELINE: figures.model_dump(mode="json")}
    selected = calibration.selected
    made = made_noise_model(selected, NoiseModelOrigin.CALIBRATION, context, spec.image_ids, found)
    return Outcome(
        noise_model=made,
        result={"verdict": selected.check.verdict, "check": selected.check.summary, **found},
    )


def _channel(spec: FitNoiseModelSpec, context: JobContext) -> int | None:
    """Return the index of the channel of the images to denoise that the calibration is for; None: all."""
    if spec.for_channel is None or not spec.data_image_ids:
        return None
    return channel_called(context.registry.header(spec.data_image_ids[0]), spec.for_channel)
