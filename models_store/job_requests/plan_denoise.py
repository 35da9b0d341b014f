"""What a denoise job needs, given what the registry holds: a pure function."""

from collections.abc import Callable
from dataclasses import dataclass

from models_store.contracts.job_specs import BootstrapNoiseModelSpec, DenoiseSpec, PredictSpec, TrainSpec
from models_store.contracts.plans import Plan, PlannedStage, PlanStep, StageName
from models_store.contracts.spec_parts import MadeByJob, Reference
from models_store.contracts.vocabulary import Method, NoiseModelKind, NoiseModelOrigin, Reuse
from models_store.job_requests.plan_prediction import PredictionExtent, plan_prediction


@dataclass(frozen=True)
class KnownModels:
    """What the registry holds for the images' microscope and profile; networks are of the job's recipe."""

    profile: str | None
    """How the profile is called in messages; None: the images have none."""
    noise_model_id: str | None = None
    """The active one."""
    noise_model_kind: NoiseModelKind | None = None
    noise_model_origin: NoiseModelOrigin = NoiseModelOrigin.BOOTSTRAP
    n2v_network_id: str | None = None
    pn2v_network_id: str | None = None
    pn2v_noise_model_id: str | None = None
    """The noise model that the PN2V network was trained with."""
    distilled_network_id: str | None = None


DELIBERATE_ORIGINS = {NoiseModelOrigin.CALIBRATION: "calibrated", NoiseModelOrigin.IMPORT: "imported"}
"""Noise models that somebody made for a microscope on purpose: jobs take them unless they say otherwise."""

WEIGHTS: dict[StageName, float] = {
    "n2v": 0.14,
    "noise_model": 0.01,
    "pn2v": 0.1,
    "distil": 0.67,
    "predict": 0.08,
}


def plan_denoise(
    spec: DenoiseSpec, registry: KnownModels, extent: PredictionExtent, new_job_id: Callable[[], str]
) -> Plan:
    """Plan the stages of a denoise job, and say for each step whether it is computed or taken, and why."""
    if spec.reuse is Reuse.NETWORK and registry.pn2v_network_id and spec.noise_model is None:
        return _plan_reuse(spec, registry, registry.pn2v_network_id, extent, new_job_id)
    return _plan_training(spec, registry, extent, new_job_id)


def _plan_reuse(
    spec: DenoiseSpec,
    registry: KnownModels,
    network_id: str,
    extent: PredictionExtent,
    new_job_id: Callable[[], str],
) -> Plan:
    noise_model_id = _reusable(spec, registry) or registry.pn2v_noise_model_id
    why = f"the newest PN2V network of {registry.profile} with the recipe {spec.recipe}"
    distil_step = _reuse_distilled(spec, registry)
    predict = _predict(
        spec,
        network_id,
        noise_model_id,
        compare_with=registry.n2v_network_id,
        distilled=distil_step.id,
    )
    prediction = plan_prediction(predict, extent, new_job_id, weight=WEIGHTS["predict"])
    return Plan(
        stages=prediction.stages,
        steps=[
            PlanStep(
                stage="n2v",
                action="reuse" if registry.n2v_network_id else "skip",
                why="its result is compared with PN2V's" if registry.n2v_network_id else "nothing needs it",
                id=registry.n2v_network_id,
            ),
            PlanStep(
                stage="noise_model",
                action="reuse",
                why=(
                    f"the active noise model of {registry.profile}"
                    if noise_model_id == registry.noise_model_id
                    else "the network was trained with it"
                ),
                id=noise_model_id,
            ),
            PlanStep(stage="pn2v", action="reuse", why=why, id=network_id),
            distil_step,
            *prediction.steps,
        ],
    )


def _reuse_distilled(spec: DenoiseSpec, registry: KnownModels) -> PlanStep:
    left_out = spec.why_nothing_is_distilled
    if left_out is not None or registry.distilled_network_id is None:
        why = f"the registry has no distilled network of {registry.profile} with the recipe {spec.recipe}"
        return PlanStep(stage="distil", action="skip", why=left_out or why)
    why = f"the newest distilled network of {registry.profile} with the recipe {spec.recipe}"
    return PlanStep(stage="distil", action="reuse", why=why, id=registry.distilled_network_id)


def _plan_training(
    spec: DenoiseSpec, registry: KnownModels, extent: PredictionExtent, new_job_id: Callable[[], str]
) -> Plan:
    stages: list[PlannedStage] = []
    n2v: Reference
    if spec.reuse in {Reuse.NOISE_MODEL, Reuse.NETWORK} and registry.n2v_network_id is not None:
        n2v = registry.n2v_network_id
        why = f"the newest N2V network of {registry.profile} with the recipe {spec.recipe}"
        n2v_step = PlanStep(stage="n2v", action="reuse", why=why, id=n2v)
    else:
        n2v_stage = _stage("n2v", _train(spec, Method.N2V), new_job_id)
        stages.append(n2v_stage)
        n2v = MadeByJob(job=n2v_stage.job_id)
        n2v_step = PlanStep(stage="n2v", action="compute", why="PN2V starts from it")

    noise_model: Reference
    known = _known_noise_model(spec, registry)
    if known is not None:
        noise_model, why = known
        noise_model_step = PlanStep(stage="noise_model", action="reuse", why=why, id=noise_model)
    else:
        fit = BootstrapNoiseModelSpec(
            image_ids=spec.image_ids,
            network=n2v,
            noise_model_kind=spec.noise_model_kind or NoiseModelKind.GMM,
            seed=spec.seed,
        )
        fit_stage = _stage("noise_model", fit, new_job_id)
        stages.append(fit_stage)
        noise_model = MadeByJob(job=fit_stage.job_id)
        why = _no_noise_model(spec, registry)
        noise_model_step = PlanStep(stage="noise_model", action="compute", why=why)

    pn2v = _stage("pn2v", _train(spec, Method.PN2V, noise_model=noise_model, start=n2v), new_job_id)
    made = MadeByJob(job=pn2v.job_id)
    stages.append(pn2v)
    pn2v_step = PlanStep(stage="pn2v", action="compute", why=_no_network(spec))

    distilled: Reference | None = None
    left_out = spec.why_nothing_is_distilled
    if left_out is None:
        training = _train(
            spec, Method.DISTILLED, noise_model=noise_model, teacher=made, refit_noise_model=known is None
        )
        distil = _stage("distil", training, new_job_id)
        stages.append(distil)
        distilled = MadeByJob(job=distil.job_id)
        why = "it learns PN2V's estimate under fresh noise, and its own competes with PN2V's"
        distil_step = PlanStep(stage="distil", action="compute", why=why)
    else:
        distil_step = PlanStep(stage="distil", action="skip", why=left_out)

    predict = _predict(spec, made, noise_model, compare_with=n2v, distilled=distilled, refit=known is None)
    prediction = plan_prediction(predict, extent, new_job_id, weight=WEIGHTS["predict"])
    stages += prediction.stages
    return Plan(stages, [n2v_step, noise_model_step, pn2v_step, distil_step, *prediction.steps])


def _known_noise_model(spec: DenoiseSpec, registry: KnownModels) -> tuple[str, str] | None:
    if spec.noise_model is not None:
        return spec.noise_model, "named in the job"
    reusable = _reusable(spec, registry)
    if spec.reuse is Reuse.NONE or reusable is None:
        return None
    if spec.reuse is Reuse.CALIBRATION and registry.noise_model_origin not in DELIBERATE_ORIGINS:
        return None
    made = DELIBERATE_ORIGINS.get(registry.noise_model_origin, "active")
    return reusable, f"the {made} noise model of {registry.profile}"


def _reusable(spec: DenoiseSpec, registry: KnownModels) -> str | None:
    """Give the active noise model, if it is of the kind that the job asks for."""
    fits = spec.noise_model_kind in {None, registry.noise_model_kind}
    return registry.noise_model_id if fits else None


def _no_noise_model(spec: DenoiseSpec, registry: KnownModels) -> str:
    if spec.reuse is Reuse.NONE:
        return "bootstrapped from the images themselves: the job reuses nothing"
    if registry.profile is None:
        return "bootstrapped: the images belong to no microscope, so there is nothing to reuse"
    if registry.noise_model_id is not None and _reusable(spec, registry) is not None:
        return (
            f"bootstrapped: nobody has calibrated {registry.profile}, and the job reuses no noise model that "
            "was bootstrapped from other images"
        )
    if registry.noise_model_id is not None:
        return (
            f"bootstrapped: the active noise model of {registry.profile} is of kind "
            f"{registry.noise_model_kind}, the job asks for {spec.noise_model_kind}"
        )
    return f"bootstrapped: {registry.profile} has no noise model yet"


def _no_network(spec: DenoiseSpec) -> str:
    if spec.reuse is Reuse.NETWORK:
        return f"trained: the registry has no PN2V network with the recipe {spec.recipe} for these images"
    return "trained on these images"


def _train(
    spec: DenoiseSpec,
    method: Method,
    *,
    noise_model: Reference | None = None,
    start: Reference | None = None,
    teacher: Reference | None = None,
    refit_noise_model: bool = False,
) -> TrainSpec:
    return TrainSpec(
        image_ids=spec.image_ids,
        method=method,
        preset=spec.preset,
        noise_model=noise_model,
        start=start,
        teacher=teacher,
        refit_noise_model=refit_noise_model,
        seed=spec.seed,
        budget=spec.budget,
        structured_mask=spec.structured_mask,
        teaches=method is not Method.DISTILLED and spec.why_nothing_is_distilled is None,
    )


def _predict(
    spec: DenoiseSpec,
    network: Reference,
    noise_model: Reference | None,
    *,
    compare_with: Reference | None,
    distilled: Reference | None,
    refit: bool = False,
) -> PredictSpec:
    return PredictSpec(
        image_ids=spec.image_ids,
        network=network,
        noise_model=noise_model,
        compare_with=compare_with,
        distilled=distilled,
        refit_noise_model=refit,
        outputs=spec.outputs,
        output_dtype=spec.output_dtype,
        seed=spec.seed,
    )


def _stage(
    stage: StageName, spec: TrainSpec | BootstrapNoiseModelSpec, new_job_id: Callable[[], str]
) -> PlannedStage:
    return PlannedStage(new_job_id(), stage, spec, WEIGHTS[stage])
