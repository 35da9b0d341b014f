"""Choice of the best estimate of the signal by unbiased risk estimates; no ground truth needed."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch

from worker.engine.errors import ImageUnsuitableError, NetworkInvalidError
from worker.engine.networks.network import Network
from worker.engine.noise.models.likelihood import NoiseModel
from worker.engine.planes.sequence import PlaneSequence, middle_window, numbered_with_data
from worker.engine.prediction.inference import predict_plane
from worker.engine.prediction.photon_risk import photon_risks

EstimateName = Literal["n2v", "prior_mean", "mmse", "distilled", "pretrained", "pretrained_stack"]
NetworkFor = Callable[[np.ndarray], Network]
"""Returns the network for a plane (Y, X), ADU."""
NetworkInStack = Callable[[int], NetworkFor]
"""Returns the function above for the middle part of the plane with an index."""

_MAX_PLANES = 4
WINDOW_PX = 512
"""Side of the middle part of a plane that is judged."""
_SOLE_WINDOW_PX = 256
"""The same for the only estimate: nothing depends on its risk, which takes as long as two predictions."""
_SOLE_KNOWN = 0.9
"""Share of the pixels of that part that must be known: defective pixels make no larger one necessary."""
_MAX_SYMMETRIES = 2
_PROBE_STEP = 0.1
"""Size of the random perturbation, in standard deviations of the noise."""

_OUTLIER_STD = 6.0

_TOLERANCE = 0.005
"""Risk differences below this fraction of the noise variance are not significant."""

_MAX_SKEWNESS = 0.5
"""Stein's identity holds for Gaussian noise: if the noise is more skewed, the MMSE estimate, which depends
most on its own pixel, is excluded."""

_PREFERENCE: tuple[EstimateName, ...] = (
    "distilled",
    "pretrained",
    "pretrained_stack",
    "prior_mean",
    "mmse",
    "n2v",
)
"""Preference among estimates of equal risk: the distilled one was the best in most measurements; next is the
one that is robust to a wrong noise model."""

_BLIND_PREFERENCE: tuple[EstimateName, ...] = (
    "distilled",
    "pretrained",
    "pretrained_stack",
    "mmse",
    "prior_mean",
    "n2v",
)
"""Preference with blind-spot networks, whose prior has a learned width, so that the MMSE is reliable."""

_TITLES: dict[EstimateName, str] = {
    "n2v": "N2V's prediction",
    "prior_mean": "PN2V's prior mean",
    "mmse": "PN2V's MMSE estimate",
    "distilled": "the distilled network's estimate",
    "pretrained": "the pretrained network's estimate",
    "pretrained_stack": "the pretrained network's estimate with neighbouring planes",
}

_TITLES_IN_STACK: dict[EstimateName, str] = {
    "distilled": "the distilled network's estimate with neighbouring planes"
}


@dataclass(frozen=True)
class Choice:
    """The chosen estimate; `scores` are estimated mean squared errors in ADU^2, lower is better."""

    estimate: EstimateName
    scores: dict[str, float]
    reason: str


def choose_estimate(  # noqa: PLR0913  # because everything that was trained competes
    planes: PlaneSequence,
    *,
    n2v: Network | None = None,
    pn2v: Network | None = None,
    distilled: Network | None = None,
    distilled_stack: NetworkInStack | None = None,
    pretrained: NetworkFor | None = None,
    pretrained_stack: NetworkInStack | None = None,
    noise_model: NoiseModel,
    seed: int,
    device: torch.device,
    on_plane: Callable[[int, int], None],
) -> Choice:
    """Estimate the mean squared error of each estimate from the noisy images and choose the best.

    Stein's unbiased risk estimate for noise of known, signal-dependent variance v and an estimate f of x:
    mean[(f - x)^2 - v + 2 v df/dx]. The last term penalises copying the noise of the pixel itself; its mean
    is computed from the change of f under a random perturbation (Ramani et al. 2008). For blind-spot
    networks, `photon_risks` is used instead, which holds for skewed noise too. `distilled_stack` takes the
    place of a distilled network that sees neighbours. Raises NetworkInvalidError if network and noise model
    do not match the images.
    """
    candidates: dict[EstimateName, NetworkFor | None] = {
        "distilled": _always(distilled),
        "pretrained": pretrained,
        "n2v": _always(n2v),
    }
    single = {name: network for name, network in candidates.items() if network is not None}
    stacks: dict[EstimateName, NetworkInStack | None] = {
        "distilled": distilled_stack,
        "pretrained_stack": pretrained_stack,
    }
    in_stack = {name: network for name, network in stacks.items() if network is not None}
    blind = pn2v is not None and all(
        network.model.shape.blind for network in (pn2v, n2v) if network is not None
    )
    generator = torch.Generator().manual_seed(seed)
    count = min(len(planes), _MAX_PLANES)
    sole = len(single) == 1 and pn2v is None and not in_stack
    risks: list[_Risks] = []
    for done, (index, plane_yx) in enumerate(numbered_with_data(planes, count), start=1):
        window = middle_window(plane_yx.astype(np.float32), WINDOW_PX)
        if sole and np.isfinite(part := middle_window(window, _SOLE_WINDOW_PX)).mean() >= _SOLE_KNOWN:
            window = part
        networks = single | {name: of_plane(index) for name, of_plane in in_stack.items()}
        risks.append(_estimate_risks(window, networks, pn2v, noise_model, generator, device, blind=blind))
        on_plane(done, count)
    if not risks:
        raise ImageUnsuitableError(
            "every plane of the images is empty (one value, or none), so there is nothing to denoise"
        )
    scores: dict[str, float] = {
        name: math.fsum(plane.errors_adu2[name] for plane in risks) / len(risks)
        for name in risks[0].errors_adu2
    }
    noise_adu2 = math.fsum(plane.noise_adu2 for plane in risks) / len(risks)
    if noise_adu2 <= 0:
        raise NetworkInvalidError(
            f"no pixel of the images is within {_OUTLIER_STD:g} standard deviations of the noise from the "
            "network's prediction: network or noise model were made for images of another exposure or camera"
        )
    skewness = math.fsum(plane.skewness for plane in risks) / len(risks)
    judged = blind or abs(skewness) <= _MAX_SKEWNESS
    if not judged:
        scores.pop("mmse", None)
    sufficient = min(scores.values()) + _TOLERANCE * noise_adu2
    preference = _BLIND_PREFERENCE if blind else _PREFERENCE
    chosen = next(name for name in preference if name in scores and scores[name] <= sufficient)
    reservation = "" if judged else _reservation(skewness)
    titles = _TITLES if distilled_stack is None else _TITLES | _TITLES_IN_STACK
    return Choice(chosen, scores, _reason(chosen, scores, noise_adu2, titles) + reservation)


@dataclass(frozen=True)
class _Risks:
    """Estimated mean squared errors of one plane's estimates, and the variance and skewness of its noise."""

    errors_adu2: dict[EstimateName, float]
    noise_adu2: float
    skewness: float


def _estimate_risks(
    observation_yx: np.ndarray,
    single: Mapping[EstimateName, NetworkFor],
    pn2v: Network | None,
    noise_model: NoiseModel,
    generator: torch.Generator,
    device: torch.device,
    *,
    blind: bool,
) -> _Risks:
    estimates = partial(_estimates, single=single, pn2v=pn2v, noise_model=noise_model, device=device)
    unperturbed = estimates(observation_yx)
    signal_yx = unperturbed["prior_mean" if pn2v is not None else "pretrained"]
    variance_adu2 = noise_model.variance_adu2(torch.from_numpy(signal_yx).double()).numpy()
    # Outliers such as hot pixels are excluded: an estimate that copies them would get a low risk.
    usable = np.square(observation_yx - signal_yx) < _OUTLIER_STD**2 * variance_adu2
    pixels = max(int(usable.sum()), 1)
    standardised = ((observation_yx - signal_yx) / np.sqrt(variance_adu2))[usable]
    noise_adu2 = float(variance_adu2[usable].sum()) / pixels
    skewness = _skewness(standardised.astype(np.float64))
    errors: dict[EstimateName, float] = {}
    if blind:
        blind_networks = {name: network for name, network in single.items() if name == "n2v"}
        reweighed = partial(estimates, observation_yx, single=blind_networks)
        errors |= photon_risks(observation_yx, reweighed, signal_yx, noise_model, usable)
    sign = torch.randint(2, observation_yx.shape, generator=generator).numpy() * 2 - 1
    perturbation = _PROBE_STEP * np.sqrt(variance_adu2) * sign
    above = estimates((observation_yx + perturbation).astype(np.float32))
    # Central differences cancel the estimates' curvature, which random signs only do in the mean: enough if
    # there is nothing to compare.
    sole = len(unperturbed) == 1
    below = unperturbed if sole else estimates((observation_yx - perturbation).astype(np.float32))
    steps = 1 if sole else 2
    for name, estimate in unperturbed.items():
        if name in errors:
            continue
        change = (above[name].astype(np.float64) - below[name]) / steps
        copied_noise_adu2 = perturbation * change / _PROBE_STEP**2
        residual = estimate.astype(np.float64) - observation_yx
        risk = residual**2 - variance_adu2 + 2 * copied_noise_adu2
        errors[name] = float(risk[usable].sum()) / pixels
    return _Risks(errors, noise_adu2, skewness)


def _estimates(
    image_yx: np.ndarray,
    likelihood_yx: np.ndarray | None = None,
    *,
    single: Mapping[EstimateName, NetworkFor],
    pn2v: Network | None,
    noise_model: NoiseModel,
    device: torch.device,
) -> dict[EstimateName, np.ndarray]:
    images: dict[EstimateName, np.ndarray] = {}
    # With nothing to compare it with, a rougher risk of the only estimate will do.
    most = _MAX_SYMMETRIES if pn2v is not None or len(single) > 1 else 1
    if pn2v is not None:
        estimate = predict_plane(
            pn2v,
            image_yx,
            noise_model=noise_model,
            device=device,
            symmetries=min(pn2v.symmetries, most),
            likelihood_yx=likelihood_yx,
        )
        images["prior_mean"] = estimate.prior_mean_yx
        if estimate.mmse_yx is not None:
            images["mmse"] = estimate.mmse_yx
    for name, network_for in single.items():
        network = network_for(image_yx)
        symmetries = min(network.symmetries, most)
        images[name] = predict_plane(network, image_yx, device=device, symmetries=symmetries).prior_mean_yx
    return images


def _always(network: Network | None) -> NetworkFor | None:
    return None if network is None else lambda _: network


def _reason(
    chosen: EstimateName,
    scores: dict[str, float],
    noise_adu2: float,
    titles: Mapping[EstimateName, str],
) -> str:
    others = [
        f"that of {titles[name]} differs by {100 * (scores[name] - scores[chosen]) / noise_adu2:+.2f} %"
        for name in _PREFERENCE
        if name != chosen and name in scores
    ]
    if not others:
        return (
            f"{titles[chosen]} is the only one; its mean squared error, estimated from the noisy images "
            f"alone, is {100 * scores[chosen] / noise_adu2:.1f} % of the noise variance "
            f"({noise_adu2:.4g} ADU^2)"
        )
    rank = "the lowest" if scores[chosen] == min(scores.values()) else "as good as the lowest"
    return (
        f"{titles[chosen]} has {rank} mean squared error, estimated from the noisy images alone: "
        f"{' and '.join(others)} of the noise variance ({noise_adu2:.4g} ADU^2)"
    )


def _reservation(skewness: float) -> str:
    return (
        f"; {_TITLES['mmse']} does not compete: the noise is too skewed ({skewness:.1f}) to estimate its risk"
    )


def _skewness(values: np.ndarray) -> float:
    """Return the skewness (standardised third central moment); 0 for constant values."""
    centred = values - values.mean() if values.size else values
    spread = float(np.sqrt(np.mean(centred**2))) if values.size else 0.0
    return float(np.mean(centred**3)) / spread**3 if spread > 0 else 0.0
