"""What denoises a plane of a job's images, as the job wants it: prepared once, applied to every plane."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models_store.contracts.job_specs import ChooseEstimateSpec, PredictPartSpec, PredictSpec
from models_store.contracts.outcomes import Outcome
from models_store.contracts.vocabulary import NoiseModelOrigin, Output
from models_store.errors import InvalidRequestError, JobFailedError
from models_store.repositories.jobs.rows import get_job
from models_store.repositories.networks import get_network
from worker.attempt.context import JobContext, Report
from worker.engine.networks.network import Network
from worker.engine.prediction.choice import Choice
from worker.engine.prediction.inference import predict_plane
from worker.engine.stages.pipeline import Prepared, denoise_plane, prepare_prediction
from worker.jobs.inputs import OpenImage, all_planes, load_network, load_network_if_made, load_noise_model
from worker.jobs.made_noise_models import made_noise_model

WithNetworks = PredictSpec | ChooseEstimateSpec | PredictPartSpec


@dataclass(frozen=True)
class PlaneDenoiser:
    """Gives outputs (Y, X) of a plane (Y, X), all float32 ADU."""

    outputs: tuple[Output, ...]
    denoise: Callable[[np.ndarray], Mapping[Output, np.ndarray]]


def prepare(
    spec: PredictSpec | ChooseEstimateSpec, context: JobContext, images: list[OpenImage], report: Report
) -> Prepared | Network:
    """Refit the noise model where wanted and choose the estimate; only PN2V gives several."""
    network_id, network = load_network(context, spec.network)
    if network.method != "pn2v":
        return network
    return prepare_prediction(
        all_planes(images),
        n2v=_n2v(spec, context),
        pn2v=network,
        distilled=load_network_if_made(context, spec.distilled),
        noise_model=load_noise_model(context, spec.noise_model or _noise_model_of(context, network_id))[1],
        refit=spec.refit_noise_model,
        seed=spec.seed,
        device=context.device,
        on_plane=_report_passes(report, refit=spec.refit_noise_model),
    )


def _report_passes(report: Report, *, refit: bool) -> Callable[[int, int], None]:
    """Tell of one pass over planes after the other, so that progress never goes back."""
    compare = "estimates compared on"
    passes = ["noise model fitted again to", compare] if refit else [compare]
    ended = 0

    def on_plane(done: int, planes: int) -> None:
        nonlocal ended
        report((ended + done / planes) / len(passes), f"{passes[ended]} plane {done} of {planes}")
        if done == planes:
            ended = min(ended + 1, len(passes) - 1)

    return on_plane


def outcome_of(prepared: Prepared | Network) -> Outcome:
    """Put what was decided into the store's terms."""
    if isinstance(prepared, Network):
        method = prepared.method
        return Outcome(result={"estimate": method, "reason": f"the network's method is {method}"})
    choice = prepared.choice
    result: dict[str, Any] = {
        "estimate": choice.estimate,
        "reason": choice.reason,
        "estimated_mse_adu2": choice.scores,
    }
    refitted = prepared.refitted
    made = made_noise_model(refitted, NoiseModelOrigin.BOOTSTRAP) if refitted else None
    return Outcome(noise_model=made, result=result)


def chosen(spec: PredictPartSpec, context: JobContext) -> Prepared | Network:
    """Take up what another stage has decided."""
    network_id, network = load_network(context, spec.network)
    if network.method != "pn2v":
        return network
    with context.database.read() as session:
        decided = get_job(session, spec.choice.job).result
    if "estimate" not in decided:
        raise JobFailedError(f"job {spec.choice.job} chose no estimate")
    noise_model = decided.get("noise_model_id") or spec.noise_model or _noise_model_of(context, network_id)
    choice = Choice(decided["estimate"], decided["estimated_mse_adu2"], decided["reason"])
    return Prepared(
        n2v=_n2v(spec, context),
        pn2v=network,
        noise_model=load_noise_model(context, noise_model)[1],
        refitted=None,
        choice=choice,
        distilled=load_network_if_made(context, spec.distilled) if choice.estimate == "distilled" else None,
    )


def denoiser(prepared: Prepared | Network, outputs: tuple[Output, ...], context: JobContext) -> PlaneDenoiser:
    """Give what makes the wanted outputs; all but PN2V make one."""
    if isinstance(prepared, Network):
        return PlaneDenoiser((Output.DENOISED,), _denoise_alone(prepared, context))
    return PlaneDenoiser(outputs, _denoise_with_pn2v(prepared, context))


def _denoise_alone(
    network: Network, context: JobContext
) -> Callable[[np.ndarray], Mapping[Output, np.ndarray]]:
    return lambda plane_yx: {
        Output.DENOISED: predict_plane(network, plane_yx, device=context.device).prior_mean_yx
    }


def _denoise_with_pn2v(
    prepared: Prepared, context: JobContext
) -> Callable[[np.ndarray], Mapping[Output, np.ndarray]]:
    def denoise(plane_yx: np.ndarray) -> Mapping[Output, np.ndarray]:
        denoised = denoise_plane(plane_yx, prepared, device=context.device)
        images = {
            Output.DENOISED: denoised.image_yx,
            Output.MMSE: denoised.pn2v.mmse_yx,
            Output.PRIOR_MEAN: denoised.pn2v.prior_mean_yx,
            Output.POSTERIOR_STD: denoised.pn2v.posterior_std_yx,
        }
        return {output: image_yx for output, image_yx in images.items() if image_yx is not None}

    return denoise


def _n2v(spec: WithNetworks, context: JobContext) -> Network | None:
    return load_network(context, spec.compare_with)[1] if spec.compare_with else None


def _noise_model_of(context: JobContext, network_id: str) -> str:
    with context.database.read() as session:
        noise_model_id = get_network(session, network_id).noise_model_id
    if noise_model_id is None:
        raise InvalidRequestError(f"noise_model: network {network_id} names none, so the job must")
    return noise_model_id
