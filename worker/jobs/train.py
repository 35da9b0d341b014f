"""Job handler: train a network."""

from dataclasses import asdict
from typing import Any, cast

from models_store.contracts.outcomes import MadeNetwork, Outcome
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import Method, NoiseModelOrigin
from models_store.job_requests.distillation_rule import why_nothing_is_distilled
from models_store.job_requests.exposure_warnings import exposure_warnings
from models_store.survey.survey import Survey
from models_store.survey.warnings import correlation_warnings
from worker.attempt.context import JobContext
from worker.attempt.progress import JUDGING_NEIGHBOURS, part_of
from worker.engine.errors import CheckpointInvalidError
from worker.engine.networks.network import Network, TrainingMethod
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.stages.distillation import network_to_adapt, pattern_left
from worker.engine.training.loop import train as train_network
from worker.engine.training.presets import TrainingPreset
from worker.jobs.distillation import TrainingInputs, prepare_distillation, skips_distillation
from worker.jobs.inputs import (
    OpenImage,
    all_planes,
    calibrated_range_adu,
    ground_truth_planes,
    load_network,
    load_noise_model,
    load_pretrained,
    open_images,
    preset_with,
    survey_of,
    warn_of_images,
)
from worker.jobs.progress import report_steps
from worker.jobs.stack_adaptation import adapted_to_stacks
from worker.judging.image_facts import facts_of
from worker.judging.noise_warnings import coverage_warnings


def train(spec: TrainSpec, context: JobContext) -> Outcome:
    """Train on the job's images, resuming from the checkpoint of an earlier attempt."""
    with open_images(context, [*spec.image_ids, *(spec.ground_truth_ids or ())], spec.channel) as opened:
        images, clean = opened[: len(spec.image_ids)], opened[len(spec.image_ids) :]
        # CARE's targets are clean, so correlated noise does not matter.
        survey = None if clean else survey_of(context, images)
        correlation = survey.noise_correlation if survey else None
        warnings = warn_of_images(context, images)
        to_adapt = _network_to_adapt(spec, context)
        if to_adapt is not None and (pattern := _pattern(to_adapt, spec, images, context)) is not None:
            context.warn(pattern)
            warnings.append(pattern)
            spec = spec.model_copy(update={"method": Method.N2V, "start": None, "teacher": None})
            to_adapt = None
        teaches = spec.teaches and why_nothing_is_distilled(spec, correlation) is None
        preset = _preset(spec, context, teaches=teaches)
        hidden = {"blind_y_px": preset.blind_y_px, "blind_x_px": preset.blind_x_px}
        headers = (image.reader.header for image in images)
        for warning in (
            *exposure_warnings(headers, spec.channel),
            *(correlation_warnings(correlation, **hidden) if correlation else []),
            *_calibration_warnings(spec, images, context),
        ):
            warnings.append(warning)
            context.warn(warning)
        measured = {"noise_correlation": asdict(correlation)} if correlation else {}
        result: dict[str, Any] = {"warnings": warnings, **measured}
        if spec.teacher is not None and correlation and skips_distillation(spec, correlation, context):
            return Outcome(result=result)
        network = _train(spec, to_adapt, images, clean, survey, preset, context)
    noise_model_id = (
        load_noise_model(context, spec.noise_model)[0].noise_model_id if spec.noise_model else None
    )
    return Outcome(
        network=MadeNetwork(
            method=spec.method,
            preset=spec.preset,
            recipe=_recipe(spec, network, teaches=teaches),
            blob=context.store("network.safetensors", network.to_bytes()),
            description=network.description,
            noise_model_id=noise_model_id,
        ),
        result=result,
    )


def _recipe(spec: TrainSpec, network: Network, *, teaches: bool) -> str:
    """Return the recipe of a trained network, which tells whether it sees neighbours."""
    recipe = spec.recipe_of(teaches=teaches)
    return f"{recipe} neighbours={network.reach}" if network.reach else recipe


def _preset(spec: TrainSpec, context: JobContext, *, teaches: bool) -> TrainingPreset:
    """Return the preset with the job's overrides, and fewer steps for a network that is only a teacher."""
    preset = context.presets[spec.preset]
    if spec.adapts:
        preset = preset.adapting()
    preset = preset_with(preset, spec.budget, spec.structured_mask)
    return preset.of_teachers() if teaches else preset


def _network_to_adapt(spec: TrainSpec, context: JobContext) -> PretrainedNetwork | None:
    """Return the pretrained network that the training starts from, if it does."""
    return load_pretrained(context, spec.start) if spec.adapts and spec.start is not None else None


def _pattern(
    pretrained: PretrainedNetwork, spec: TrainSpec, images: list[OpenImage], context: JobContext
) -> str | None:
    """Return a warning if the pretrained network fails on the images, so that N2V has to take its place."""
    known, noise_model = load_noise_model(context, spec.noise_model) if spec.noise_model else (None, None)
    peaks = pattern_left(
        pretrained,
        all_planes(images),
        noise_model,
        bootstrapped=known is not None and known.origin.is_of_data,
        device=context.device,
    )
    if peaks.told is None:
        return None
    return (
        f"what the pretrained network removes has a regular pattern ({peaks.told}): it does not know such "
        "specimens, so an N2V network is trained from nothing in its place"
    )


def _calibration_warnings(spec: TrainSpec, images: list[OpenImage], context: JobContext) -> list[str]:
    """Return warnings if a calibrated noise model does not cover the images."""
    if spec.noise_model is None:
        return []
    known, noise_model = load_noise_model(context, spec.noise_model)
    if known.origin is not NoiseModelOrigin.CALIBRATION:
        return []
    return coverage_warnings(all_planes(images), noise_model, calibrated_range_adu(known))


def _train(  # the inputs of a training, each prepared on its own
    spec: TrainSpec,
    to_adapt: PretrainedNetwork | None,
    images: list[OpenImage],
    clean: list[OpenImage],
    survey: Survey | None,
    preset: TrainingPreset,
    context: JobContext,
) -> Network:
    known, noise_model = load_noise_model(context, spec.noise_model) if spec.noise_model else (None, None)
    bootstrapped = known is not None and known.origin.is_of_data
    start, report = None, context.report
    if to_adapt is not None:
        if noise_model is not None and spec.teacher is not None:
            adapted = adapted_to_stacks(
                to_adapt, spec, images, noise_model, preset, context, bootstrapped=bootstrapped
            )
            if adapted is not None:
                return adapted
            report = part_of(report, JUDGING_NEIGHBOURS, 1)
        start = network_to_adapt(to_adapt, all_planes(images), noise_model, bootstrapped=bootstrapped)
    elif spec.start is not None:
        start = load_network(context, spec.start)[1]
    inputs = TrainingInputs(all_planes(images), noise_model, start, report, bootstrapped)
    if spec.teacher is not None and survey is not None:
        inputs = prepare_distillation(spec.teacher, inputs, facts_of(survey), spec, preset, context)

    def run() -> Network:
        return train_network(
            inputs.planes,
            method=cast("TrainingMethod", spec.method.value),  # a job's spec allows no others
            preset=preset,
            noise_model=inputs.noise_model,
            ground_truth=ground_truth_planes(clean, images) if clean else None,
            start=inputs.start,
            seed=spec.seed,
            device=context.device,
            checkpoints=context.checkpoints,
            on_step=report_steps(inputs.report),
        )

    try:
        return run()
    except CheckpointInvalidError:
        if context.checkpoints is None:
            raise
        # The checkpoint is from another version: discard it and train from the start.
        context.checkpoints.clear()
        return run()
