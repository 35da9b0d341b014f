"""Preparation of a distillation job: the noise model and the teacher's estimates."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from models_store.contracts.spec_parts import Reference
from models_store.contracts.train_spec import TrainSpec
from models_store.errors import JobFailedError
from models_store.job_requests.distillation_rule import why_nothing_is_distilled
from models_store.survey.correlation import NeighbourCorrelation
from worker.attempt.context import JobContext, Report
from worker.attempt.progress import PREPARING_DISTILLATION, REFITTING, part_of, planes_done
from worker.engine.networks.network import Network
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.noise.models.kinds import AnyNoiseModel, kind_of
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.stages.denoise import refit_noise_model
from worker.engine.stages.distillation import estimates_of_pn2v, estimates_of_pretrained, first_weights
from worker.engine.training.presets import TrainingPreset
from worker.jobs.inputs import load_network, load_pretrained

STAGE = "distil"


@dataclass(frozen=True)
class TrainingInputs:
    """Planes, noise model and initial network of a training, and its progress callback.

    For a distilled network, the planes are the teacher's estimates.
    """

    planes: PlaneSequence
    noise_model: AnyNoiseModel | None
    start: Network | None
    report: Report
    bootstrapped: bool = False
    """Whether the noise model was bootstrapped."""


def prepare_distillation(
    teacher: Reference,
    inputs: TrainingInputs,
    facts: ImageFacts,
    spec: TrainSpec,
    preset: TrainingPreset,
    context: JobContext,
) -> TrainingInputs:
    """Refit the noise model if the spec says so; the teacher's estimates are computed lazily, per plane."""
    noise_model = inputs.noise_model
    if noise_model is None:
        raise JobFailedError("noise_model: a distilled network needs one")
    if (pretrained := load_pretrained(context, teacher)) is not None:
        own = estimates_of_pretrained(
            inputs.planes,
            pretrained,
            noise_model,
            bootstrapped=inputs.bootstrapped,
            device=context.device,
        )
        return _taught(inputs, own, noise_model, inputs.start, 0.0)
    _, pn2v = load_network(context, teacher)
    refit_end = 0.0
    if spec.refit_noise_model:
        refit_end = REFITTING * PREPARING_DISTILLATION
        refitted = refit_noise_model(
            inputs.planes,
            pn2v,
            kind_of(noise_model),
            facts=facts,
            seed=spec.seed,
            device=context.device,
            on_plane=planes_done(part_of(inputs.report, 0, refit_end), "noise model refitted to plane"),
        )
        noise_model = refitted.fitted.model if refitted else noise_model
    estimates = estimates_of_pn2v(inputs.planes, pn2v, noise_model, context.device)
    return _taught(inputs, estimates, noise_model, inputs.start or first_weights(pn2v, preset), refit_end)


def _taught(
    inputs: TrainingInputs,
    estimates: PlaneSequence,
    noise_model: AnyNoiseModel,
    start: Network | None,
    prepared: float,
) -> TrainingInputs:
    """Return the inputs with estimates as planes; `prepared` is the part of the preparation that is done."""
    preparing = part_of(inputs.report, prepared, PREPARING_DISTILLATION)
    return replace(
        inputs,
        planes=_ReportingPlanes(estimates, planes_done(preparing, "estimated plane")),
        noise_model=noise_model,
        start=start,
        report=part_of(inputs.report, PREPARING_DISTILLATION, 1),
    )


def skips_distillation(spec: TrainSpec, correlation: NeighbourCorrelation, context: JobContext) -> bool:
    """Return whether the stage has nothing to distil; raise JobFailedError if it is a stand-alone job."""
    reason = why_nothing_is_distilled(spec, correlation)
    if reason is not None and context.stage != STAGE:
        raise JobFailedError(f"{reason}: distillation is not possible; denoise with the PN2V network itself")
    return reason is not None


class _ReportingPlanes:
    """PlaneSequence that reports how many planes have been read."""

    def __init__(self, planes: PlaneSequence, on_plane: Callable[[int, int], None]) -> None:
        self._planes = planes
        self._on_plane = on_plane
        self._done = 0

    def __len__(self) -> int:
        return len(self._planes)

    def __getitem__(self, index: int, /) -> NDArray[Any]:
        plane_yx = self._planes[index]
        self._done = min(self._done + 1, len(self))
        self._on_plane(self._done, len(self))
        return plane_yx
