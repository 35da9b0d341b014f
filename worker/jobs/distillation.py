"""What a job that distils a network needs before it trains: the noise, and the teacher's estimates."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models_store.contracts.job_specs import TrainSpec
from models_store.contracts.spec_parts import Reference
from models_store.repositories.jobs.rows import get_job
from worker.attempt.context import JobContext, Report
from worker.engine.networks.network import Network
from worker.engine.noise.measuring.correlation import NeighbourCorrelation
from worker.engine.noise.models.kinds import AnyNoiseModel, kind_of
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.stages.distillation import EstimatedPlanes, first_weights
from worker.engine.stages.pipeline import refit_noise_model
from worker.engine.training.presets import TrainingPreset
from worker.jobs.inputs import load_network
from worker.judging.noise_warnings import require_drawable

SHARE_OF_PREPARATION = 0.2
_SHARE_OF_REFIT = 0.5  # of the preparation


@dataclass(frozen=True)
class DistillationInputs:
    """What a network learns from and starts from, and how its progress is told.

    A distilled one's planes are estimates.
    """

    planes: PlaneSequence
    noise_model: AnyNoiseModel | None
    start: Network | None
    report: Report


def prepare_distillation(
    teacher: Reference,
    planes: PlaneSequence,
    noise_model: AnyNoiseModel,
    spec: TrainSpec,
    preset: TrainingPreset,
    context: JobContext,
) -> DistillationInputs:
    """Refit the noise model where wanted, as a prediction does; an estimate is made when it is asked for."""
    _, pn2v = load_network(context, teacher)
    begun = 0.0
    if spec.refit_noise_model:
        begun = _SHARE_OF_REFIT
        refitted = refit_noise_model(
            planes,
            pn2v,
            kind_of(noise_model),
            seed=spec.seed,
            device=context.device,
            on_plane=lambda done, of: context.report(
                SHARE_OF_PREPARATION * begun * done / of, f"noise model fitted again to plane {done} of {of}"
            ),
        )
        noise_model = refitted.fitted.model if refitted else noise_model

    def on_estimate(done: int, of: int) -> None:
        fraction = begun + (1 - begun) * min(done / of, 1.0)
        context.report(SHARE_OF_PREPARATION * fraction, f"plane {done} of at most {of} estimated")

    estimates = EstimatedPlanes(planes, pn2v, noise_model, context.device)
    return DistillationInputs(
        planes=_Counted(estimates, on_estimate),
        noise_model=noise_model,
        start=first_weights(pn2v, preset),
        report=_after_preparation(context.report),
    )


def skips_distillation(correlation: NeighbourCorrelation, context: JobContext) -> bool:
    """Whether a stage does without: noise that correlates is not the noise that a noise model draws.

    A job that was posted to distil a network fails.
    """
    if correlation.warning() is None:
        return False
    with context.database.read() as session:
        is_stage = get_job(session, context.job_id).parent_id is not None
    if not is_stage:
        require_drawable(correlation)
    return True


class _Counted:
    """Estimated planes that tell each time how many were asked for."""

    def __init__(self, planes: PlaneSequence, on_plane: Callable[[int, int], None]) -> None:
        self._planes = planes
        self._on_plane = on_plane
        self._done = 0

    def __len__(self) -> int:
        return len(self._planes)

    def __getitem__(self, index: int, /) -> np.ndarray:
        plane_yx = self._planes[index]
        self._done += 1
        self._on_plane(self._done, len(self))
        return plane_yx


def _after_preparation(report: Report) -> Report:
    return lambda fraction, status: report(
        SHARE_OF_PREPARATION + (1 - SHARE_OF_PREPARATION) * fraction, status
    )
