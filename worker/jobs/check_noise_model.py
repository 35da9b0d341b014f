"""Job handler: check how well a noise model describes some images."""

from collections.abc import Mapping
from dataclasses import asdict

from models_store.contracts.noise_model_specs import CheckNoiseModelSpec
from models_store.contracts.outcomes import Outcome
from worker.attempt.context import JobContext
from worker.attempt.progress import COMPARING_PIXELS, part_of, planes_done
from worker.engine.noise.fitting.check import check_noise_model as check_pairs
from worker.engine.noise.fitting.fit import mean_nll
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.measuring.calibration_check import CalibrationCheck
from worker.engine.noise.measuring.coverage import coverage
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
from worker.judging.calibration_scenes import scenes_of
from worker.judging.image_facts import facts_of


def check_noise_model(spec: CheckNoiseModelSpec, context: JobContext) -> Outcome:
    """Compare the distributions predicted by the noise model with the observations."""
    known, model = load_noise_model(context, spec.noise_model)
    with open_images(context, spec.image_ids, spec.channel) as images:
        counts, scenes = _count(spec, context, images)
        covered = coverage(model, calibrated_range_adu(known), all_planes(images))
    check = check_pairs(model, counts)
    warnings = [f"{name}: {each}" for name, scene in scenes.items() for each in scene.warnings]
    warnings += filter(None, [covered.warning])
    for warning in warnings:
        context.warn(warning)
    return Outcome(
        result={
            "checked_noise_model_id": known.noise_model_id,
            "verdict": check.verdict,
            "check": check.summary,
            "mean_nll_nats": mean_nll(model, counts.unsaturated()),
            "pixel_pairs": counts.pairs,
            **asdict(check),
            "coverage": asdict(covered),
            "scenes": [{"name": name, **asdict(scene)} for name, scene in scenes.items()],
            "warnings": warnings,
        }
    )


def _count(
    spec: CheckNoiseModelSpec, context: JobContext, images: list[OpenImage]
) -> tuple[PairCounts, Mapping[str, CalibrationCheck]]:
    """Count pairs of observation and signal; for a calibration, also check its scenes."""
    report = planes_done(part_of(context.report, 0, COMPARING_PIXELS), "compared plane")
    facts = facts_of(survey_of(context, images))
    if spec.network is None:
        scenes = scenes_of([(each.title, each.reader) for each in images])
        return count_calibration(scenes, facts, on_frame=report)
    _, network = load_network(context, spec.network)
    counts = count_pseudo_pairs(
        all_planes(images), network, facts=facts, device=context.device, on_plane=report
    )
    return counts, {}
