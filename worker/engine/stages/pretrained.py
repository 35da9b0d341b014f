"""The pretrained network at work: its scale for a plane, and the uncertainty of its estimates."""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy import ndimage

from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.networks.scale import Scale
from worker.engine.noise.models.likelihood import NoiseModel
from worker.engine.prediction.inference import predict_plane
from worker.engine.training.scaling import MIN_PIXELS, scale_of_noise

_ENOUGH_PX = 1 << 14
"""Finite pixels from which the noise measured on a plane is as good as that of a noise model."""

_PROBES = 2
_PROBE_STEP = 0.1
"""Size of the random perturbations, in standard deviations of the noise."""

_SURROUNDINGS_PX = 2.0
"""Width of the Gaussian over which derivatives are averaged: those of single pixels are noisy."""

_STRUCTURE = 4.0
"""Share of a posterior mean's error from structure per copied share: of 20 scenes, see docs/results.md."""

_COPIED = (0.002, 0.9)
"""Limits of the share of a pixel's noise that an estimate is taken to copy."""


@dataclass(frozen=True, eq=False)
class UncertainEstimate:
    """An estimate of a plane and its uncertainty, float32 (Y, X) in ADU.

    `copied_yx` is the share of each pixel's noise that the estimate copies, and `passed_yx` the variance of
    the noise of all pixels that it passes on, relative to that of the pixel's noise.
    """

    signal_yx: np.ndarray
    std_yx: np.ndarray
    copied_yx: np.ndarray
    passed_yx: np.ndarray


def network_for(
    pretrained: PretrainedNetwork,
    noise_model: NoiseModel | None,
    plane_yx: np.ndarray,
    *,
    bootstrapped: bool = False,
) -> Network:
    """Return the network on the scale of a plane (Y, X), ADU: that of the noise model, or else measured.

    If the noise model was bootstrapped, it is used for small planes only: others tell their noise better
    themselves, above all where the noise of neighbouring pixels correlates a little.
    """
    finite = np.asarray(plane_yx)[np.isfinite(plane_yx)]
    if finite.size < MIN_PIXELS:
        level = torch.tensor(float(np.median(finite)) if finite.size else 0.0, dtype=torch.float64)
        variance_adu2 = (
            float(finite.var()) if noise_model is None else float(noise_model.variance_adu2(level))
        )
        scale = Scale(float(level), math.sqrt(variance_adu2) or 1.0)
        return pretrained.on_scale(scale, torch.tensor(np.asarray(plane_yx, dtype=np.float32)))
    if bootstrapped and finite.size >= _ENOUGH_PX:
        noise_model = None
    plane = torch.tensor(np.asarray(plane_yx, dtype=np.float32))
    return pretrained.on_scale(scale_of_noise([plane], noise_model), plane)


def estimate_alone(network: Network, plane_yx: np.ndarray, *, device: torch.device) -> np.ndarray:
    """Estimate the signal of a plane (Y, X), ADU, as `estimate_with_uncertainty` does, in less time."""
    return _first_and_average(network, plane_yx, device, None)[1]


def estimate_with_uncertainty(
    network: Network, plane_yx: np.ndarray, *, device: torch.device, symmetries: int | None = None
) -> UncertainEstimate:
    """Estimate the signal of a plane (Y, X), ADU, and how uncertain it is.

    The variance of a posterior is the noise variance times the derivative of the posterior's mean by the
    pixel's own observation (Efron 2011, JASA 106, 1602), which random perturbations measure.
    """
    predict = partial(predict_plane, network, device=device)
    unperturbed_yx, signal_yx = _first_and_average(network, plane_yx, device, symmetries)
    noise_yx = network.scale.noise_adu(torch.from_numpy(signal_yx)).numpy()
    copied_yx, passed_yx = np.zeros_like(signal_yx), np.zeros_like(signal_yx)
    # The same signs for each plane, so that a divided prediction gives the undivided result.
    rng = np.random.default_rng(0)
    for _ in range(_PROBES):
        step_yx = np.where(rng.integers(0, 2, plane_yx.shape, dtype=np.int8), noise_yx, -noise_yx)
        step_yx *= np.float32(_PROBE_STEP)
        change_yx = predict(plane_yx + step_yx, symmetries=1).prior_mean_yx
        change_yx -= unperturbed_yx
        change_yx /= step_yx
        copied_yx += change_yx / _PROBES
        passed_yx += change_yx**2 / _PROBES
    copied_yx, passed_yx = (
        ndimage.gaussian_filter(np.nan_to_num(each), _SURROUNDINGS_PX) for each in (copied_yx, passed_yx)
    )
    copied_yx = copied_yx.clip(*_COPIED)
    return UncertainEstimate(signal_yx, noise_yx * np.sqrt(copied_yx), copied_yx, passed_yx)


def _first_and_average(
    network: Network, plane_yx: np.ndarray, device: torch.device, symmetries: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the estimate in the first of the symmetries, in which others are compared, and that in all."""
    count = network.symmetries if symmetries is None else symmetries
    predict = partial(predict_plane, network, device=device)
    first_yx = predict(plane_yx, symmetries=1).prior_mean_yx
    if count == 1:
        return first_yx, first_yx
    others_yx = predict(plane_yx, symmetries=range(1, count)).prior_mean_yx
    return first_yx, (first_yx + (count - 1) * others_yx) / count


def estimate_and_factor(
    pretrained: PretrainedNetwork, plane_yx: np.ndarray, *, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Return the estimate of a plane (Y, X), ADU, and the factor that makes residuals as large as the noise.

    Of white noise with variance 1, an estimate that copies the share c of a pixel's noise and passes on the
    variance v leaves a residual of variance 1 - 2c + v. The error that does not come from the noise adds to
    that, c - v for a posterior mean: found where the network sees structure, which is where it copies much.
    """
    network = network_for(pretrained, None, plane_yx)
    estimate = estimate_with_uncertainty(network, plane_yx, device=device, symmetries=1)
    copied_yx = estimate.copied_yx
    passed_yx = np.minimum(estimate.passed_yx, copied_yx)
    structure_yx = np.minimum(_STRUCTURE * copied_yx, 1) * (copied_yx - passed_yx)
    return estimate.signal_yx, 1 / np.sqrt(1 - 2 * copied_yx + passed_yx + structure_yx)
