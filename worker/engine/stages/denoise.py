"""Denoising stage: apply the chosen estimate of trained networks to each plane."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from worker.engine.errors import NetworkInvalidError, NoiseFitError
from worker.engine.networks.network import Network
from worker.engine.noise.fitting.select import SelectedNoiseModel
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.noise.models.kinds import AnyNoiseModel, NoiseModelKind
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.prediction.choice import Choice
from worker.engine.prediction.inference import Estimate, predict_plane
from worker.engine.stages.bootstrap import bootstrap_noise_model


@dataclass(frozen=True, eq=False)
class Denoiser:
    """Networks, noise model and chosen estimate for denoising planes."""

    n2v: Network | None
    pn2v: Network
    noise_model: AnyNoiseModel
    choice: Choice
    distilled: Network | None = None


@dataclass(frozen=True, eq=False)
class Denoised:
    """A denoised plane, float32 (Y, X) in ADU, and PN2V's estimates of it."""

    image_yx: np.ndarray
    pn2v: Estimate


def refit_noise_model(
    planes: PlaneSequence,
    pn2v: Network,
    kind: NoiseModelKind,
    *,
    facts: ImageFacts,
    seed: int,
    device: torch.device,
    on_plane: Callable[[int, int], None],
) -> SelectedNoiseModel[AnyNoiseModel] | None:
    """Bootstrap again: PN2V's prior mean is a better pseudo ground truth than N2V's prediction.

    Return None if the fit fails.
    """
    try:
        return bootstrap_noise_model(
            planes, pn2v, facts=facts, kind=kind, seed=seed, device=device, on_plane=on_plane
        )
    except NoiseFitError:
        # The first model was fitted to the same pixels and stays valid if the network is bad.
        return None


def denoise_plane(
    plane_yx: np.ndarray, denoiser: Denoiser, *, device: torch.device, tile_px: int | None = None
) -> Denoised:
    """Denoise one plane with the chosen estimate."""
    chosen = denoiser.choice.estimate
    pn2v = predict_plane(
        denoiser.pn2v, plane_yx, noise_model=denoiser.noise_model, device=device, tile_px=tile_px
    )
    images = {"prior_mean": pn2v.prior_mean_yx, "mmse": pn2v.mmse_yx}
    others = {"n2v": denoiser.n2v, "distilled": denoiser.distilled}
    if (network := others.get(chosen)) is not None:
        images[chosen] = predict_plane(network, plane_yx, device=device, tile_px=tile_px).prior_mean_yx
    image_yx = images.get(chosen)
    if image_yx is None:
        raise NetworkInvalidError(f"the network whose estimate was chosen is missing: {denoiser.choice}")
    return Denoised(image_yx, pn2v)
