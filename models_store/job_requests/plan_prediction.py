"""Planning of predictions: one stage, or parts for several workers; pure functions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.plans import Plan, PlannedStage, PlanStep
from models_store.contracts.prediction_specs import (
    AssembleSpec,
    ChooseEstimateSpec,
    PredictPartSpec,
    PredictSpec,
)
from models_store.contracts.spec_parts import MadeByJob, PartOfPrediction, entry_of_channel
from models_store.job_requests.plane_ranges import MAX_RANGES, ImageExtent, PlaneRange, divide

# Shares of a split prediction's time.
CHOICE_SHARE = 0.25
PARTS_SHARE = 0.65
ASSEMBLY_SHARE = 0.1


@dataclass(frozen=True)
class PredictionExtent:
    """Size of a prediction, and the maximum size of a part."""

    images: Sequence[ImageExtent]
    part_pixels: int
    max_parts: int = MAX_RANGES

    @property
    def planes(self) -> int:
        return sum(image.planes for image in self.images)

    @property
    def pixels(self) -> int:
        return sum(image.planes * image.plane_px for image in self.images)


def plan_prediction(
    spec: PredictSpec,
    extent: PredictionExtent,
    new_job_id: Callable[[], str],
    *,
    weight: float = 1.0,
    pretrained: bool = False,
) -> Plan:
    """Plan a prediction: one stage, or a choice of the estimate, parts, and their assembly."""
    divided = plan_parts(spec, extent, new_job_id, weight=weight, pretrained=pretrained)
    (step,) = divided.steps
    if step.parts == 1:
        return Plan([PlannedStage(new_job_id(), "predict", spec, weight)], [step])
    assembly = plan_assembly(spec, divided.stages, new_job_id, weight=weight)
    return Plan([*divided.stages, assembly], [step])


def plan_parts(
    spec: PredictSpec,
    extent: PredictionExtent,
    new_job_id: Callable[[], str],
    *,
    weight: float,
    channel: int | None = None,
    pretrained: bool = False,
) -> Plan:
    """Plan the choice of the estimate and the parts of a prediction, of one channel or of all planes.

    `extent`: the planes of the channel. `weight`: share of the prediction with its assembly. `pretrained`:
    the network is a pretrained one.
    """
    ranges = divide(extent.images, extent.part_pixels, extent.max_parts)
    choice = PlannedStage(new_job_id(), "predict", _choice(spec, channel), CHOICE_SHARE * weight)
    parts = [
        PlannedStage(
            new_job_id(),
            "predict",
            _part(spec, planes, MadeByJob(job=choice.job_id), channel),
            PARTS_SHARE * weight / len(ranges),
        )
        for planes in ranges
    ]
    why = _why(extent, len(ranges)) + (
        _neighbours(extent.images, spec.pretrained_stack) if pretrained else ""
    )
    step = PlanStep(stage="predict", action="compute", why=why, channel=channel, parts=len(ranges))
    return Plan([choice, *parts], [step])


def plan_assembly(
    spec: PredictSpec | DenoiseSpec,
    stages: Iterable[PlannedStage],
    new_job_id: Callable[[], str],
    *,
    weight: float,
) -> PlannedStage:
    """Plan the assembly of those stages that are parts; `weight`: share of the whole prediction."""
    parts = tuple(
        PartOfPrediction(job=stage.job_id, channel=stage.spec.channel)
        for stage in stages
        if isinstance(stage.spec, PredictPartSpec)
    )
    assembly = AssembleSpec(
        image_ids=spec.image_ids,
        parts=parts,
        only_channel=spec.channel,
        **spec.result_files,
    )
    return PlannedStage(new_job_id(), "predict", assembly, ASSEMBLY_SHARE * weight)


def _choice(spec: PredictSpec, channel: int | None) -> ChooseEstimateSpec:
    return ChooseEstimateSpec(
        image_ids=spec.image_ids,
        network=spec.network,
        noise_model=entry_of_channel(spec.noise_model, channel),
        compare_with=spec.compare_with,
        distilled=spec.distilled,
        pretrained_stack=spec.pretrained_stack,
        refit_noise_model=spec.refit_noise_model,
        channel=channel,
        outputs=spec.outputs,
        seed=spec.seed,
    )


def _part(spec: PredictSpec, planes: PlaneRange, choice: MadeByJob, channel: int | None) -> PredictPartSpec:
    return PredictPartSpec(
        image_ids=planes.image_ids,
        channel=channel,
        first_plane=planes.first_plane,
        planes=planes.planes,
        network=spec.network,
        noise_model=entry_of_channel(spec.noise_model, channel),
        compare_with=spec.compare_with,
        distilled=spec.distilled,
        pretrained_stack=spec.pretrained_stack,
        outputs=spec.outputs,
        keep_hot_pixels=spec.keep_hot_pixels,
        choice=choice,
    )


def _neighbours(images: Sequence[ImageExtent], network: str | None) -> str:
    """Return what the plan says of the planes beside each plane.

    `network`: the imported network that sees them; None: the packaged one.
    """
    if all(image.planes == 1 for image in images):
        return ""
    beside = [image.beside for image in images]
    told = [f"; planes do not help each other: {why}" for why in _distinct(each.why_alone for each in beside)]
    axes = _distinct(each.axis.name for each in beside if each.axis is not None)
    if axes:
        apart = "".join(f", {each}," for each in _distinct(each.described for each in beside))
        imported = "" if network is None else f", with the network {network}"
        told.append(
            f"; planes beside each other along {' or '.join(axes)}{apart} help where that lowers the "
            f"estimated error{imported}, which the job decides"
        )
    return "".join(told) or "; planes are denoised one by one: none are neighbours in time or depth"


def _distinct(texts: Iterable[str]) -> list[str]:
    return sorted({text for text in texts if text})


def _why(extent: PredictionExtent, parts: int) -> str:
    size = f"{extent.planes} planes with a total of {extent.pixels / 1e6:.4g} megapixels"
    limit = f"{extent.part_pixels / 1e6:.4g} megapixels"
    if parts > 1:
        return (
            f"the result of this job: {size} are divided into {parts} parts, as one worker processes about "
            f"{limit} at a time"
        )
    if extent.planes == 1:
        return "the result of this job: a single plane is not divided"
    return f"the result of this job: {size} are not divided, as one worker processes up to {limit} at a time"
