"""Fully unsupervised denoising as stages, each of which can run as a job of its own.

    stage        needs                                       gives                    by
    n2v          planes                                      network                  training.train
    noise_model  planes, N2V network                         noise model              bootstrap_noise_model
    pn2v         planes, noise model, N2V network to start   network                  training.train
    distil       PN2V's estimates of planes, noise model     network                  training.train
    predict      planes, networks, noise model               noise model, choice      prepare_prediction
                                                             denoised planes          denoise_plane

What is there already (a calibrated noise model, a network) takes the place of the stage that would make it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import torch

from worker.engine.errors import NetworkInvalidError, NoiseFitError
from worker.engine.networks.network import Network
from worker.engine.noise.fitting.select import SelectedNoiseModel
from worker.engine.noise.measuring.correlation import neighbour_correlation
from worker.engine.noise.models.kinds import AnyNoiseModel, NoiseModelKind, kind_of
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.prediction.choice import Choice, choose_estimate
from worker.engine.prediction.inference import Estimate, predict_plane
from worker.engine.stages.bootstrap import bootstrap_noise_model
from worker.engine.stages.distillation import EstimatedPlanes, first_weights
from worker.engine.training.loop import TrainingStep, train
from worker.engine.training.presets import TrainingPreset

Stage = Literal["n2v", "noise_model", "pn2v", "distil", "predict"]
STAGES: tuple[Stage, ...] = ("n2v", "noise_model", "pn2v", "distil", "predict")

_DOES_NOT_COMPETE = (
    "; the distilled network's estimate does not compete: the noise of neighbouring pixels correlates, and "
    "that which it was taught with did not"
)


@dataclass(frozen=True, eq=False)
class Prepared:
    """All that denoising a plane takes."""

    n2v: Network | None
    pn2v: Network
    noise_model: AnyNoiseModel
    refitted: SelectedNoiseModel[AnyNoiseModel] | None
    """The noise model as fitted to the PN2V network's prior mean, if it was."""
    choice: Choice
    distilled: Network | None = None


@dataclass(frozen=True, eq=False)
class Denoised:
    """A denoised plane, float32 (Y, X) in ADU, and what PN2V says of it."""

    image_yx: np.ndarray
    pn2v: Estimate


def prepare_prediction(  # noqa: PLR0913  # because it takes what three stages have made
    planes: PlaneSequence,
    *,
    n2v: Network | None,
    pn2v: Network,
    distilled: Network | None = None,
    noise_model: AnyNoiseModel,
    refit: bool,
    seed: int,
    device: torch.device,
    on_plane: Callable[[int, int], None],
) -> Prepared:
    """Refit a bootstrapped noise model, and choose which estimate to deliver.

    `refit` is for bootstrapped noise models, of whichever kind, unless it has been done for the distillation.
    `n2v` may be missing where the noise model came from a calibration. `distilled` does not compete where the
    noise correlates: it has learned from noise that does not, and would be judged as if this did not.
    """
    refitted, reservation = None, ""
    if distilled is not None and neighbour_correlation(planes).warning() is not None:
        distilled, reservation = None, _DOES_NOT_COMPETE
    if refit:
        kind = kind_of(noise_model)
        refitted = refit_noise_model(planes, pn2v, kind, seed=seed, device=device, on_plane=on_plane)
    if refitted is not None:
        noise_model = refitted.fitted.model
    choice = choose_estimate(
        planes,
        n2v=n2v,
        pn2v=pn2v,
        distilled=distilled,
        noise_model=noise_model,
        seed=seed,
        device=device,
        on_plane=on_plane,
    )
    choice = replace(choice, reason=choice.reason + reservation)
    return Prepared(n2v, pn2v, noise_model, refitted, choice, distilled)


def refit_noise_model(
    planes: PlaneSequence,
    pn2v: Network,
    kind: NoiseModelKind,
    *,
    seed: int,
    device: torch.device,
    on_plane: Callable[[int, int], None],
) -> SelectedNoiseModel[AnyNoiseModel] | None:
    """Bootstrap once more: PN2V's prior mean is a better pseudo ground truth than N2V's prediction."""
    try:
        return bootstrap_noise_model(planes, pn2v, kind=kind, seed=seed, device=device, on_plane=on_plane)
    except NoiseFitError:
        # The first model was fitted to the same pixels; a network that went astray must not cost the result.
        return None


def denoise_plane(
    plane_yx: np.ndarray, prepared: Prepared, *, device: torch.device, tile_px: int | None = None
) -> Denoised:
    """Denoise one plane; memory depends on the plane alone."""
    pn2v = predict_plane(
        prepared.pn2v, plane_yx, noise_model=prepared.noise_model, device=device, tile_px=tile_px
    )
    images = {"prior_mean": pn2v.prior_mean_yx, "mmse": pn2v.mmse_yx}
    others = {"n2v": prepared.n2v, "distilled": prepared.distilled}
    if (network := others.get(prepared.choice.estimate)) is not None:
        single = predict_plane(network, plane_yx, device=device, tile_px=tile_px)
        images[prepared.choice.estimate] = single.prior_mean_yx
    image_yx = images.get(prepared.choice.estimate)
    if image_yx is None:
        raise NetworkInvalidError(f"the network whose estimate was chosen is missing: {prepared.choice}")
    return Denoised(image_yx, pn2v)


def denoise(
    planes: PlaneSequence,
    *,
    preset: TrainingPreset,
    noise_model: AnyNoiseModel | NoiseModelKind = "gmm",
    seed: int,
    device: torch.device,
    on_step: Callable[[Stage, TrainingStep], None],
    on_plane: Callable[[Stage, int, int], None],
) -> Prepared:
    """Run all stages in this process; `denoise_plane` then makes the images.

    A given noise model is used as it is; of a kind, one is bootstrapped. Raises what the stages raise
    (EngineError).
    """
    distils = _distils(preset, planes)
    of_teachers = preset.of_teachers() if distils else preset
    n2v = train(
        planes, method="n2v", preset=of_teachers, seed=seed, device=device, on_step=partial(on_step, "n2v")
    )
    bootstrapped = isinstance(noise_model, str)
    if isinstance(noise_model, str):
        noise_model = bootstrap_noise_model(
            planes, n2v, kind=noise_model, seed=seed, device=device, on_plane=partial(on_plane, "noise_model")
        ).fitted.model
    pn2v = train(
        planes,
        method="pn2v",
        preset=of_teachers,
        noise_model=noise_model,
        start=n2v if preset.warm_start else None,
        seed=seed,
        device=device,
        on_step=partial(on_step, "pn2v"),
    )
    refitted, distilled = None, None
    if distils:
        if bootstrapped:
            refitted = refit_noise_model(
                planes,
                pn2v,
                kind_of(noise_model),
                seed=seed,
                device=device,
                on_plane=partial(on_plane, "distil"),
            )
        noise_model = refitted.fitted.model if refitted else noise_model
        distilled = train(
            EstimatedPlanes(planes, pn2v, noise_model, device),
            method="distilled",
            preset=preset,
            noise_model=noise_model,
            start=first_weights(pn2v, preset),
            seed=seed,
            device=device,
            on_step=partial(on_step, "distil"),
        )
    prepared = prepare_prediction(
        planes,
        n2v=n2v,
        pn2v=pn2v,
        distilled=distilled,
        noise_model=noise_model,
        refit=bootstrapped and refitted is None,
        seed=seed,
        device=device,
        on_plane=partial(on_plane, "predict"),
    )
    return replace(prepared, refitted=prepared.refitted or refitted)


def _distils(preset: TrainingPreset, planes: PlaneSequence) -> bool:
    """Whether a network is distilled: noise that correlates is not what a noise model draws."""
    masked = preset.blind_y_px or preset.blind_x_px
    return bool(preset.distillation_steps and not masked and neighbour_correlation(planes).warning() is None)
