"""Training a network, as a job."""

from collections.abc import Callable
from dataclasses import asdict

from models_store.contracts.job_specs import TrainSpec
from models_store.contracts.outcomes import MadeNetwork, Outcome
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.repositories.noise_models import get_noise_model
from worker.attempt.context import JobContext, Report
from worker.engine.errors import CheckpointInvalidError
from worker.engine.networks.network import Network
from worker.engine.noise.measuring.correlation import neighbour_correlation
from worker.engine.training.loop import TrainingStep
from worker.engine.training.loop import train as train_network
from worker.jobs.distillation import DistillationInputs, prepare_distillation, skips_distillation
from worker.jobs.inputs import (
    all_planes,
    calibrated_range_adu,
    ground_truth_planes,
    load_network,
    load_noise_model,
    open_images,
    preset_with,
)
from worker.judging.noise_warnings import correlation_warnings, coverage_warnings


def train(spec: TrainSpec, context: JobContext) -> Outcome:
    """Train on the job's images; the attempt before left a checkpoint to go on from."""
    noise_model_id, noise_model = (
        load_noise_model(context, spec.noise_model) if spec.noise_model else (None, None)
    )
    start = load_network(context, spec.start)[1] if spec.start else None
    with open_images(context, [*spec.image_ids, *(spec.ground_truth_ids or ())]) as opened:
        images, clean = opened[: len(spec.image_ids)], opened[len(spec.image_ids) :]
        planes, without = all_planes(images), False
        preset = preset_with(spec.preset, spec.budget, spec.structured_mask)
        warnings, measured = [], {}
        if not clean:  # CARE's targets hold nothing of the neighbours' noise
            correlation = neighbour_correlation(planes)
            warnings = correlation_warnings(correlation, preset)
            measured = {"noise_correlation": asdict(correlation)}
            without = spec.teacher is not None and skips_distillation(correlation, context)
            if spec.teaches and correlation.warning() is None:
                preset = preset.of_teachers()
        if noise_model is not None and noise_model_id is not None and _is_calibrated(context, noise_model_id):
            calibrated_adu = calibrated_range_adu(context, noise_model_id, noise_model)
            warnings += coverage_warnings(planes, noise_model, calibrated_adu)
        for warning in warnings:
            context.warn(warning)
        result = {"warnings": warnings, **measured}
        if without:
            return Outcome(result=result)
        lesson = DistillationInputs(planes, noise_model, start if preset.warm_start else None, context.report)
        if spec.teacher is not None and noise_model is not None:
            lesson = prepare_distillation(spec.teacher, planes, noise_model, spec, preset, context)

        def run() -> Network:
            return train_network(
                lesson.planes,
                method=spec.method.value,
                preset=preset,
                noise_model=lesson.noise_model,
                ground_truth=ground_truth_planes(clean, images) if clean else None,
                start=lesson.start,
                seed=spec.seed,
                device=context.device,
                checkpoints=context.checkpoints,
                on_step=report_steps(lesson.report),
            )

        try:
            network = run()
        except CheckpointInvalidError:
            # Written by another version: the steps are lost, the job is not.
            context.checkpoints.clear()
            network = run()
    return Outcome(
        network=MadeNetwork(
            method=spec.method,
            preset=spec.preset,
            recipe=spec.recipe,
            blob=context.store("network.safetensors", network.to_bytes()),
            description=network.description,
            noise_model_id=noise_model_id,
        ),
        result=result,
    )


def _is_calibrated(context: JobContext, noise_model_id: str) -> bool:
    with context.database.read() as session:
        return get_noise_model(session, noise_model_id).origin is NoiseModelOrigin.CALIBRATION


def report_steps(report: Report) -> Callable[[TrainingStep], None]:
    """Tell of every step; the validation loss is known at some of them."""
    validation = ""

    def on_step(step: TrainingStep) -> None:
        nonlocal validation
        if step.validation_loss is not None:
            validation = f", validation {step.validation_loss:.4f}"
        report(step.step / step.steps, f"step {step.step} of {step.steps}, loss {step.loss:.4f}{validation}")

    return on_step
