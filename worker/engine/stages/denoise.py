"""Denoising stage: apply the chosen estimate of trained networks to each plane."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch

from worker.engine.errors import NetworkInvalidError, NoiseFitError
from worker.engine.networks.architecture import Model
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.noise.fitting.select import SelectedNoiseModel
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.noise.models.kinds import AnyNoiseModel, NoiseModelKind
from worker.engine.planes.neighbours import NO_NEIGHBOURS, Neighbours
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.prediction.choice import Choice, EstimateName
from worker.engine.prediction.inference import Estimate, predict_plane
from worker.engine.prediction.interval_scale import IntervalScale
from worker.engine.stages.bootstrap import bootstrap_noise_model
from worker.engine.stages.pretrained import estimate_alone, estimate_with_uncertainty, network_for
from worker.engine.stages.stacks import among, beside


@dataclass(frozen=True, eq=False)
class Denoiser:
    """Networks, noise model and chosen estimate for denoising planes."""

    noise_model: AnyNoiseModel
    choice: Choice
    n2v: Network | None = None
    pn2v: Network | None = None
    distilled: Network | None = None
    pretrained: PretrainedNetwork | None = None
    pretrained_stack: PretrainedNetwork | None = None
    """A network that sees a plane and its neighbours, with the scale of `pretrained`."""
    bootstrapped: bool = False
    """Whether the noise model was bootstrapped or pooled: a plane may tell its noise better itself."""
    interval_scale: IntervalScale = field(default_factory=IntervalScale)
    """Scale of the standard deviations that the networks state."""

    @property
    def model(self) -> Model:
        """Network of the chosen estimate; planes without neighbours have one of the same architecture."""
        chosen = {
            "n2v": self.n2v,
            "distilled": self.distilled,
            "pretrained": self.pretrained,
            "pretrained_stack": self.pretrained_stack,
        }.get(self.choice.estimate, self.pn2v)
        if chosen is None:
            raise NetworkInvalidError(f"the network whose estimate was chosen is missing: {self.choice}")
        return chosen.model

    @property
    def reach(self) -> int:
        """Number of planes on either side that the chosen estimate uses."""
        match self.choice.estimate:
            case "pretrained_stack" if self.pretrained_stack is not None:
                return self.pretrained_stack.reach
            case "distilled" if self.distilled is not None:
                return self.distilled.reach
        return 0


@dataclass(frozen=True, eq=False)
class Denoised:
    """A denoised plane, float32 (Y, X) in ADU, its uncertainty if known, and PN2V's estimates, if any."""

    image_yx: np.ndarray
    std_yx: np.ndarray | None
    pn2v: Estimate | None


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
    plane_yx: np.ndarray,
    denoiser: Denoiser,
    *,
    neighbours: Neighbours = NO_NEIGHBOURS,
    device: torch.device,
    tile_px: int | None = None,
    with_std: bool = True,
) -> Denoised:
    """Denoise one plane with the chosen estimate, which may use its neighbours.

    `with_std`: whether its uncertainty is asked for, which takes time for the pretrained networks.
    """
    chosen = denoiser.choice.estimate
    predict = partial(predict_plane, device=device, tile_px=tile_px)
    images: dict[EstimateName, np.ndarray] = {}
    std_yx = pn2v = None
    if denoiser.pn2v is not None:
        pn2v = predict(denoiser.pn2v, plane_yx, noise_model=denoiser.noise_model)
        images["prior_mean"], std_yx = pn2v.prior_mean_yx, pn2v.posterior_std_yx
        if pn2v.mmse_yx is not None:
            images["mmse"] = pn2v.mmse_yx
    network = network_of(denoiser, plane_yx, neighbours)
    if network is not None and denoiser.pretrained is None:
        images[chosen] = predict(network, plane_yx).prior_mean_yx
    elif network is not None and not with_std:
        images[chosen] = estimate_alone(network, plane_yx, device=device)
    elif network is not None:
        estimate = estimate_with_uncertainty(network, plane_yx, device=device)
        images[chosen], std_yx = estimate.signal_yx, estimate.std_yx
    if chosen not in images:
        raise NetworkInvalidError(f"the network whose estimate was chosen is missing: {denoiser.choice}")
    if std_yx is not None:
        std_yx = denoiser.interval_scale.at(images[chosen]) * std_yx
    return Denoised(images[chosen], std_yx, pn2v)


def network_of(denoiser: Denoiser, plane_yx: np.ndarray, neighbours: Neighbours) -> Network | None:
    """Return the network of the chosen estimate on the scale of a plane; None if it is PN2V's."""
    match denoiser.choice.estimate:
        case "n2v":
            return denoiser.n2v
        case "distilled" if denoiser.distilled is not None:
            return among(denoiser.distilled, plane_yx, neighbours)
        case "pretrained" | "pretrained_stack" if denoiser.pretrained is not None:
            single = network_for(
                denoiser.pretrained, denoiser.noise_model, plane_yx, bootstrapped=denoiser.bootstrapped
            )
            # A plane without neighbours is denoised alone.
            stack = denoiser.pretrained_stack if denoiser.reach else None
            return single if stack is None else beside(stack, single, plane_yx, neighbours)
    return None
