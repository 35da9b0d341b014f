"""Job handler: check a noise model, and whether its camera has drifted, by some images."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.contracts.camera_figures import CameraCheck
from models_store.contracts.noise_model_specs import CheckNoiseModelSpec
from models_store.contracts.outcomes import MadeCheck, Outcome
from worker.attempt.context import JobContext
from worker.attempt.progress import COMPARING_PIXELS, part_of, planes_done
from worker.attempt.registry import KnownNoiseModel
from worker.engine.noise.fitting.check import check_noise_model as check_pairs
from worker.engine.noise.fitting.fit import mean_nll
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.measuring.calibration_check import CalibrationCheck
from worker.engine.noise.measuring.coverage import coverage
from worker.engine.noise.models.kinds import AnyNoiseModel, noise_model_from_parameters
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.stages.bootstrap import count_pseudo_pairs
from worker.engine.stages.calibrate import count_calibration
from worker.jobs.inputs import (
    OpenImage,
    all_planes,
    calibrated_range_adu,
    load_network,
    load_noise_model,
    open_images,
    survey_of,
)
from worker.jobs.measured_scenes import MeasuredScenes
from worker.judging.calibration_scenes import exposures_s_of, scenes_of
from worker.judging.camera_check import judge_camera
from worker.judging.camera_reference import camera_reference
from worker.judging.image_facts import facts_of
from worker.judging.image_figures import image_figures
from worker.judging.image_transfer import MAX_SAMPLE_PX


def check_noise_model(spec: CheckNoiseModelSpec, context: JobContext) -> Outcome:
    """Compare figures of the camera with the noise model's, and its distributions with the observations."""
    known, model = _checked(spec, context)
    with (
        open_images(context, spec.image_ids, spec.channel) as images,
        open_images(context, spec.dark_image_ids or ()) as dark,
    ):
        measured = MeasuredScenes(exposures_s_of([(each.title, each.reader) for each in images]))
        counts, scenes = _count(spec, context, images, measured)
        of_dark = measured.read_dark(context, dark)
        covered = coverage(model, calibrated_range_adu(known), all_planes(images))
        camera = _check_camera(known, context, images, measured)
    warnings = [f"{name}: {each}" for name, scene in scenes.items() for each in scene.warnings] + of_dark
    warnings += filter(None, [covered.warning, camera.told if camera and camera.drifted else None])
    for warning in warnings:
        context.warn(warning)
    return Outcome(
        check=MadeCheck(noise_model_id=known.noise_model_id, check=camera) if camera else None,
        result={
            "checked_noise_model_id": known.noise_model_id,
            **_distributions(model, counts),
            "camera": camera.model_dump(mode="json") if camera else None,
            "coverage": asdict(covered),
            "scenes": [{"name": name, **asdict(scene)} for name, scene in scenes.items()],
            "warnings": warnings,
        },
    )


def _checked(spec: CheckNoiseModelSpec, context: JobContext) -> tuple[KnownNoiseModel, AnyNoiseModel]:
    if spec.noise_model is not None:
        return load_noise_model(context, spec.noise_model)
    known = context.registry.checked_noise_model(context.job_id)
    return known, noise_model_from_parameters(known.parameters.plain())


def _count(
    spec: CheckNoiseModelSpec, context: JobContext, images: list[OpenImage], measured: MeasuredScenes
) -> tuple[PairCounts | None, Mapping[str, CalibrationCheck]]:
    """Count pairs of observation and signal; measure and check the scenes of a calibration.

    Images without a network tell no signals, so that there are no pairs.
    """
    report = planes_done(part_of(context.report, 0, COMPARING_PIXELS), "compared plane")
    facts = facts_of(survey_of(context, images))
    if spec.network is None and any(each.known.is_calibration for each in images):
        scenes = scenes_of([(each.title, each.reader) for each in images])
        return count_calibration(scenes, facts, on_frame=report, on_scene=measured.add_lit)
    if spec.network is None:
        return None, {}
    _, network = load_network(context, spec.network)
    counts = count_pseudo_pairs(
        all_planes(images), network, facts=facts, device=context.device, on_plane=report
    )
    return counts, {}


def _distributions(model: AnyNoiseModel, counts: PairCounts | None) -> dict[str, Any]:
    if counts is None:
        return {}
    check = check_pairs(model, counts)
    return {
        "verdict": check.verdict,
        "check": check.summary,
        "mean_nll_nats": mean_nll(model, counts.unsaturated()),
        "pixel_pairs": counts.pairs,
        **asdict(check),
    }


def _check_camera(
    known: KnownNoiseModel, context: JobContext, images: list[OpenImage], measured: MeasuredScenes
) -> CameraCheck | None:
    """Compare the camera with that of the noise model; None if the model has no gain to compare with."""
    reference = camera_reference(known.parameters, known.fit_quality)
    if reference is None:
        return None
    expected, reference_from = reference
    limits = context.drift_limits.of_camera(
        known.camera, known.camera_serial, context.drift_limits_of_cameras
    )
    rounding_adu2 = facts_of(survey_of(context, images)).step_adu ** 2 / 12
    if measured.lit or measured.dark:
        found = measured.figures(rounding_adu2=rounding_adu2, known=expected)
        return judge_camera(found, expected, reference_from, limits, "calibration")
    found = image_figures(_sample(all_planes(images)), expected, rounding_adu2=rounding_adu2)
    return judge_camera(found, expected, reference_from, limits, "image")


def _sample(planes: PlaneSequence) -> Iterator[NDArray[Any]]:
    """Yield planes evenly spaced over the images, as many as the measurement takes."""
    count = min(len(planes), max(1, MAX_SAMPLE_PX // max(planes[0].size, 1)))
    for position in np.linspace(0, len(planes) - 1, count):
        yield planes[round(position)]
