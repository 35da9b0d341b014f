"""What a denoise job needs, given what the registry holds: a pure function."""

from collections.abc import Callable
from dataclasses import dataclass

from models_store.contracts.jobs import (
    BootstrapNoiseModelSpec,
    DenoiseSpec,
    MadeByJob,
    PredictSpec,
    Reference,
    StageSpec,
    TrainSpec,
)
from models_store.contracts.plans import PlanStep, StageName
from models_store.contracts.states import Method, Reuse


@dataclass(frozen=True)
class Registry:
    """What the registry holds for the images' microscope and profile."""

    profile: str | None
    """How the profile is called in messages; None: the images have none."""
    noise_model_id: str | None = None
    network_id: str | None = None
    """A PN2V network of the wanted preset."""
    network_noise_model_id: str | None = None
    """The noise model that this network was trained with."""


@dataclass(frozen=True)
class PlannedStage:
    job_id: str
    stage: StageName
    spec: StageSpec
    weight: float
    """Its share of the whole job's time."""


@dataclass(frozen=True)
class Plan:
    stages: list[PlannedStage]
    steps: list[PlanStep]


WEIGHTS: dict[StageName, float] = {"n2v": 0.45, "noise_model": 0.05, "pn2v": 0.4, "predict": 0.1}


def plan_denoise(spec: DenoiseSpec, registry: Registry, new_job_id: Callable[[], str]) -> Plan:
    """Plan the stages of a denoise job, and say for each step whether it is computed or taken, and why."""
    if spec.reuse is Reuse.NETWORK and registry.network_id and spec.noise_model is None:
        return _plan_with_network(spec, registry, new_job_id)
    if noise_model := _known_noise_model(spec, registry):
        return _plan_with_noise_model(spec, noise_model, new_job_id)
    return _plan_from_noisy_images(spec, registry, new_job_id)


def _plan_with_network(spec: DenoiseSpec, registry: Registry, new_job_id: Callable[[], str]) -> Plan:
    why = f"the newest PN2V network of {registry.profile} with preset {spec.preset}"
    predict = _stage(
        "predict",
        PredictSpec(
            image_ids=spec.image_ids,
            network=registry.network_id or "",
            noise_model=registry.network_noise_model_id,
            outputs=spec.outputs,
            output_dtype=spec.output_dtype,
            seed=spec.seed,
        ),
        new_job_id,
    )
    return Plan(
        stages=[predict],
        steps=[
            PlanStep(stage="n2v", action="skip", why="a trained PN2V network is reused"),
            PlanStep(
                stage="noise_model",
                action="reuse",
                why="the network was trained with it",
                id=registry.network_noise_model_id,
            ),
            PlanStep(stage="pn2v", action="reuse", why=why, id=registry.network_id),
            PlanStep(stage="predict", action="compute", why="the result of this job"),
        ],
    )


def _known_noise_model(spec: DenoiseSpec, registry: Registry) -> tuple[str, str] | None:
    if spec.noise_model is not None:
        return spec.noise_model, "named in the job"
    if spec.reuse is not Reuse.NONE and registry.noise_model_id is not None:
        return registry.noise_model_id, f"the active noise model of {registry.profile}"
    return None


def _plan_with_noise_model(
    spec: DenoiseSpec, noise_model: tuple[str, str], new_job_id: Callable[[], str]
) -> Plan:
    noise_model_id, why = noise_model
    train = _stage("pn2v", _train(spec, Method.PN2V, noise_model=noise_model_id), new_job_id)
    predict = _stage("predict", _predict(spec, train, noise_model_id), new_job_id)
    return Plan(
        stages=[train, predict],
        steps=[
            PlanStep(stage="n2v", action="skip", why="only a bootstrap needs it"),
            PlanStep(stage="noise_model", action="reuse", why=why, id=noise_model_id),
            PlanStep(stage="pn2v", action="compute", why=_no_network(spec)),
            PlanStep(stage="predict", action="compute", why="the result of this job"),
        ],
    )


def _plan_from_noisy_images(spec: DenoiseSpec, registry: Registry, new_job_id: Callable[[], str]) -> Plan:
    n2v = _stage("n2v", _train(spec, Method.N2V), new_job_id)
    noise_model = _stage(
        "noise_model",
        BootstrapNoiseModelSpec(image_ids=spec.image_ids, network=MadeByJob(job=n2v.job_id), seed=spec.seed),
        new_job_id,
    )
    made = MadeByJob(job=noise_model.job_id)
    start = MadeByJob(job=n2v.job_id)
    pn2v = _stage("pn2v", _train(spec, Method.PN2V, noise_model=made, start=start), new_job_id)
    predict = _stage("predict", _predict(spec, pn2v, made, compare_with=start), new_job_id)
    why = _no_noise_model(spec, registry)
    return Plan(
        stages=[n2v, noise_model, pn2v, predict],
        steps=[
            PlanStep(stage="n2v", action="compute", why="gives the pseudo ground truth"),
            PlanStep(stage="noise_model", action="compute", why=why),
            PlanStep(stage="pn2v", action="compute", why=_no_network(spec)),
            PlanStep(stage="predict", action="compute", why="the result of this job"),
        ],
    )


def _no_noise_model(spec: DenoiseSpec, registry: Registry) -> str:
    if spec.reuse is Reuse.NONE:
        return "bootstrapped from the images themselves: the job reuses nothing"
    if registry.profile is None:
        return "bootstrapped: the images belong to no microscope, so there is nothing to reuse"
    return f"bootstrapped: {registry.profile} has no noise model yet"


def _no_network(spec: DenoiseSpec) -> str:
    if spec.reuse is Reuse.NETWORK:
        return f"trained: the profile has no PN2V network with preset {spec.preset} yet"
    return "trained on these images"


def _train(
    spec: DenoiseSpec, method: Method, *, noise_model: Reference | None = None, start: Reference | None = None
) -> TrainSpec:
    return TrainSpec(
        image_ids=spec.image_ids,
        method=method,
        preset=spec.preset,
        noise_model=noise_model,
        start=start,
        seed=spec.seed,
        budget=spec.budget,
    )


def _predict(
    spec: DenoiseSpec, pn2v: PlannedStage, noise_model: Reference, *, compare_with: Reference | None = None
) -> PredictSpec:
    return PredictSpec(
        image_ids=spec.image_ids,
        network=MadeByJob(job=pn2v.job_id),
        noise_model=noise_model,
        compare_with=compare_with,
        refit_noise_model=compare_with is not None,
        outputs=spec.outputs,
        output_dtype=spec.output_dtype,
        seed=spec.seed,
    )


def _stage(stage: StageName, spec: StageSpec, new_job_id: Callable[[], str]) -> PlannedStage:
    return PlannedStage(new_job_id(), stage, spec, WEIGHTS[stage])
