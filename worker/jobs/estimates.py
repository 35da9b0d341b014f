"""The estimate of a prediction job: noise model and networks are prepared once, and the best is chosen."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from models_store.contracts.outcomes import MadeNoiseModel, Outcome
from models_store.contracts.prediction_specs import ChooseEstimateSpec, PredictPartSpec, PredictSpec
from models_store.contracts.spec_parts import Reference
from models_store.contracts.vocabulary import NoiseModelOrigin, Output
from models_store.errors import InvalidRequestError, JobFailedError
from worker.attempt.context import JobContext, Report
from worker.attempt.progress import REFITTING, part_of, planes_done
from worker.attempt.registry import KnownNoiseModel
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.noise.fitting.select import SelectedNoiseModel
from worker.engine.noise.models.kinds import AnyNoiseModel, kind_of
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.prediction.choice import Choice, choose_estimate
from worker.engine.prediction.interval_scale import IntervalScale
from worker.engine.stages.bootstrap import bootstrap_noise_model
from worker.engine.stages.denoise import Denoiser, refit_noise_model
from worker.engine.stages.interval_scale import with_interval_scale
from worker.engine.stages.pretrained import network_for
from worker.jobs.inputs import (
    OpenImage,
    all_planes,
    calibrated_range_adu,
    load_network,
    load_network_if_made,
    load_noise_model,
    load_pretrained,
    load_pretrained_stack,
    named_noise_model,
    survey_of,
)
from worker.jobs.made_noise_models import made_noise_model
from worker.jobs.plane_denoiser import Prepared
from worker.jobs.stack_estimates import StackCandidate
from worker.judging.image_facts import facts_of

WithNetworks = PredictSpec | ChooseEstimateSpec | PredictPartSpec

INTERVAL_SCALE = "interval_scale"
"""Key in a job's result of the scale of the standard deviations that its networks state."""

_DOES_NOT_COMPETE = (
    "; the distilled network's estimate does not compete: the noise of neighbouring pixels correlates, but "
    "the network was trained with independent noise"
)
_SEES_NO_NEIGHBOURS = (
    "; the distilled network's estimate does not compete: the network was adapted to planes with neighbours, "
    "and these have none that help"
)


def prepare(
    spec: PredictSpec | ChooseEstimateSpec, context: JobContext, images: list[OpenImage], report: Report
) -> Prepared:
    """Refit the noise model if the spec asks for it, and choose the estimate; only PN2V has several."""
    if (pretrained := load_pretrained(context, spec.network)) is not None:
        return _prepare_pretrained(pretrained, spec, context, images, report)
    network_id, network = load_network(context, spec.network)
    if network.method != "pn2v":
        return Prepared(network)
    known, noise_model = _noise_model(named_noise_model(spec), network_id, context)
    facts = facts_of(survey_of(context, images))
    refitted, refit_end = None, 0.0
    if spec.refit_noise_model:
        refit_end = REFITTING
        refitted = refit_noise_model(
            all_planes(images),
            network,
            kind_of(noise_model),
            facts=facts,
            seed=spec.seed,
            device=context.device,
            on_plane=planes_done(part_of(report, 0, refit_end), "noise model refitted to plane"),
        )
    if refitted is not None:
        noise_model = refitted.fitted.model
    distilled = load_network_if_made(context, spec.distilled)
    n2v = _n2v(spec, context)
    choice = choose_estimate(
        all_planes(images),
        n2v=n2v,
        pn2v=network,
        # It was trained with independent noise, and the risk estimate assumes independent noise too.
        distilled=None if facts.correlated else distilled,
        noise_model=noise_model,
        seed=spec.seed,
        device=context.device,
        on_plane=planes_done(part_of(report, refit_end, 1), "estimates compared on plane"),
    )
    if facts.correlated and distilled is not None:
        choice = replace(choice, reason=choice.reason + _DOES_NOT_COMPETE)
    refitted_model = _bootstrapped(refitted, context, spec) if refitted else None
    denoiser = Denoiser(noise_model, choice, n2v=n2v, pn2v=network, distilled=distilled)
    denoiser = _scaled(denoiser, all_planes(images), spec, context)
    return Prepared(denoiser, refitted_model, calibrated_range_adu(refitted_model or known))


def _prepare_pretrained(
    pretrained: PretrainedNetwork,
    spec: PredictSpec | ChooseEstimateSpec,
    context: JobContext,
    images: list[OpenImage],
    report: Report,
) -> Prepared:
    """Bootstrap a noise model unless the spec names one; networks adapted to the images compete."""
    made, bootstrapped = None, True
    known: KnownNoiseModel | None = None
    if (named := named_noise_model(spec)) is not None:
        known, noise_model = load_noise_model(context, named)
        bootstrapped = known.origin.is_of_data
    else:
        selected = bootstrap_noise_model(
            all_planes(images),
            pretrained,
            facts=facts_of(survey_of(context, images)),
            seed=spec.seed,
            device=context.device,
            on_plane=planes_done(part_of(report, 0, REFITTING), "denoised plane"),
        )
        noise_model, made = selected.fitted.model, _bootstrapped(selected, context, spec)
    planes = all_planes(images)
    of_plane = partial(network_for, pretrained, noise_model, bootstrapped=bootstrapped)
    in_stack = partial(load_pretrained_stack, context, spec.pretrained_stack)
    why_alone = [image.beside.why_alone for image in images]
    stack = StackCandidate.of(planes, of_plane, in_stack, context.device, why_alone)
    trained = _trained_on_the_images(spec, context)
    distilled = trained.get("distilled")
    among_neighbours = stack.adapted(distilled, planes)
    choice = choose_estimate(
        planes,
        n2v=trained.get("n2v"),
        distilled=None if distilled is None or distilled.reach else distilled,
        distilled_stack=among_neighbours,
        pretrained=of_plane,
        pretrained_stack=stack.in_stack,
        noise_model=noise_model,
        seed=spec.seed,
        device=context.device,
        on_plane=planes_done(part_of(report, REFITTING, 1), "estimate judged on plane"),
    )
    reservation = stack.reservation(choice, adapted=among_neighbours is not None)
    if distilled is not None and distilled.reach and among_neighbours is None:
        reservation += _SEES_NO_NEIGHBOURS
    if choice.estimate == "n2v" and bootstrapped:
        # Where the pretrained network fails, so does the noise model of its residuals.
        selected = bootstrap_noise_model(
            planes,
            trained["n2v"],
            facts=facts_of(survey_of(context, images)),
            kind=kind_of(noise_model),
            seed=spec.seed,
            device=context.device,
            on_plane=lambda *_: None,
        )
        noise_model, made = selected.fitted.model, _bootstrapped(selected, context, spec)
    denoiser = Denoiser(
        noise_model,
        replace(choice, reason=choice.reason + reservation),
        n2v=trained.get("n2v"),
        distilled=distilled,
        pretrained=pretrained,
        pretrained_stack=stack.network,
        bootstrapped=bootstrapped,
    )
    denoiser = _scaled(denoiser, planes, spec, context)
    told_by = made or known
    return Prepared(denoiser, made, calibrated_range_adu(told_by) if told_by else None)


def _scaled(
    denoiser: Denoiser,
    planes: PlaneSequence,
    spec: PredictSpec | ChooseEstimateSpec,
    context: JobContext,
) -> Denoiser:
    """Return the denoiser with the scale of its standard deviations, if somebody asked for them."""
    if Output.POSTERIOR_STD not in spec.outputs:
        return denoiser
    return with_interval_scale(denoiser, planes, seed=spec.seed, device=context.device)


def _bootstrapped(
    selected: SelectedNoiseModel[AnyNoiseModel], context: JobContext, spec: PredictSpec | ChooseEstimateSpec
) -> MadeNoiseModel:
    return made_noise_model(selected, NoiseModelOrigin.BOOTSTRAP, context, spec.image_ids)


def outcome_of(prepared: Prepared, warnings: Sequence[str]) -> Outcome:
    """Return the chosen estimate and the refitted noise model as a job outcome."""
    denoiser = prepared.denoiser
    told: dict[str, Any] = {"warnings": list(warnings)} if warnings else {}
    if isinstance(denoiser, Network):
        method = denoiser.method
        return Outcome(result={"estimate": method, "reason": f"the network's method is {method}", **told})
    choice, scale = denoiser.choice, denoiser.interval_scale
    if scale != IntervalScale():
        told[INTERVAL_SCALE] = scale.record()
    result: dict[str, Any] = {
        "estimate": choice.estimate,
        "reason": choice.reason,
        "estimated_mse_adu2": choice.scores,
        **told,
    }
    return Outcome(noise_model=prepared.refitted, result=result)


def prepare_chosen(spec: PredictPartSpec, context: JobContext) -> Prepared:
    """Prepare the denoiser with the estimate that another stage has chosen."""
    if (pretrained := load_pretrained(context, spec.network)) is not None:
        choice, made_id, scale = _decided(spec, context)
        if (reference := made_id or spec.noise_model) is None:
            raise JobFailedError(f"job {spec.choice.job} made no noise model")
        known, noise_model = load_noise_model(context, reference)
        trained = _trained_on_the_images(spec, context)
        denoiser = Denoiser(
            noise_model,
            choice,
            n2v=trained.get("n2v"),
            distilled=trained.get("distilled"),
            pretrained=pretrained,
            pretrained_stack=load_pretrained_stack(context, spec.pretrained_stack),
            bootstrapped=known.origin.is_of_data,
            interval_scale=scale,
        )
        return Prepared(denoiser, known_signals_adu=calibrated_range_adu(known))
    network_id, network = load_network(context, spec.network)
    if network.method != "pn2v":
        return Prepared(network)
    choice, made_id, scale = _decided(spec, context)
    known, noise_model = _noise_model(made_id or spec.noise_model, network_id, context)
    denoiser = Denoiser(
        n2v=_n2v(spec, context),
        pn2v=network,
        noise_model=noise_model,
        choice=choice,
        distilled=_chosen_distilled(spec, choice, context),
        interval_scale=scale,
    )
    return Prepared(denoiser, known_signals_adu=calibrated_range_adu(known))


def _trained_on_the_images(spec: WithNetworks, context: JobContext) -> dict[str, Network]:
    """Return the networks that compete with the pretrained one, by method.

    In place of an adapted network there is an N2V network where the pretrained one failed.
    """
    made = (_n2v(spec, context), load_network_if_made(context, spec.distilled))
    return {network.method: network for network in made if network is not None}


def _chosen_distilled(spec: PredictPartSpec, choice: Choice, context: JobContext) -> Network | None:
    return load_network_if_made(context, spec.distilled) if choice.estimate == "distilled" else None


def _decided(spec: PredictPartSpec, context: JobContext) -> tuple[Choice, str | None, IntervalScale]:
    """Return the estimate that another stage chose, its noise model if it made one, and its scale."""
    decided = context.registry.result(spec.choice.job)
    if "estimate" not in decided:
        raise JobFailedError(f"job {spec.choice.job} chose no estimate")
    choice = Choice(decided["estimate"], decided["estimated_mse_adu2"], decided["reason"])
    return choice, decided.get("noise_model_id"), IntervalScale.from_record(decided.get(INTERVAL_SCALE))


def _n2v(spec: WithNetworks, context: JobContext) -> Network | None:
    return load_network(context, spec.compare_with)[1] if spec.compare_with else None


def _noise_model(
    reference: Reference | None, network_id: str, context: JobContext
) -> tuple[KnownNoiseModel, AnyNoiseModel]:
    """Return the noise model named by the job, or else the one its network was trained with."""
    named = reference or context.registry.network(network_id).noise_model_id
    if named is None:
        raise InvalidRequestError(
            f"noise_model: network {network_id} was trained without one, so the job must name it"
        )
    return load_noise_model(context, named)
