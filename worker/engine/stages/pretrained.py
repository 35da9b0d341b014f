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
from worker.engine.planes.strips import strips
from worker.engine.planes.tensors import float_tensor
from worker.engine.prediction.faint_detail import without_invented_detail
from worker.engine.prediction.inference import predict_plane
from worker.engine.stages.noise_tails import bounded_noise
from worker.engine.training.scaling import MIN_PIXELS, scale_of_noise

_ENOUGH_PX = 1 << 14
"""Finite pixels from which the noise measured on a plane is as good as that of a noise model."""

_PROBES = 2
_PROBES_OF_RESIDUALS = 1
"""What was copied changes the variance of residuals by a few per cent only: one perturbation will do."""
_PROBE_STEP = 0.1
"""Size of the random perturbations, in standard deviations of the noise."""

_SURROUNDINGS_PX = 2.0
"""Width of the Gaussian over which derivatives are averaged: those of single pixels are noisy."""

_ERROR_SURROUNDINGS_PX = 4.0
"""The same for the errors of estimating anew: squares of single pixels are noisier than derivatives."""

_STRUCTURE = 30.0
"""Share of a posterior mean's error from structure per error of estimating anew: see docs/results.md."""

_COPIED = (0.002, 0.9)
"""Limits of the share of a pixel's noise that an estimate is taken to copy."""


@dataclass(frozen=True, eq=False)
class UncertainEstimate:
    """An estimate of a plane and its uncertainty, float32 (Y, X) in ADU.

    `copied_yx` is the share of each pixel's noise that the estimate copies.
    """

    signal_yx: np.ndarray
    std_yx: np.ndarray
    copied_yx: np.ndarray


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
    plane = float_tensor(plane_yx)
    finite_px = int(np.isfinite(plane_yx).sum())
    if finite_px < MIN_PIXELS:
        return pretrained.on_scale(_scale_of_few(plane_yx, noise_model), plane)
    if bootstrapped and finite_px >= _ENOUGH_PX:
        noise_model = None
    return pretrained.on_scale(scale_of_noise([plane], noise_model), plane)


def _scale_of_few(plane_yx: np.ndarray, noise_model: NoiseModel | None) -> Scale:
    finite = np.asarray(plane_yx)[np.isfinite(plane_yx)]
    level = torch.tensor(float(np.median(finite)) if finite.size else 0.0, dtype=torch.float64)
    variance_adu2 = float(finite.var()) if noise_model is None else float(noise_model.variance_adu2(level))
    return Scale(float(level), math.sqrt(variance_adu2) or 1.0)


def estimate_alone(network: Network, plane_yx: np.ndarray, *, device: torch.device) -> np.ndarray:
    """Estimate the signal of a plane (Y, X), ADU, as `estimate_with_uncertainty` does, in less time."""
    return _first_and_average(network, plane_yx, device, None)[2]


def estimate_of_residuals(
    network: Network, plane_yx: np.ndarray, *, device: torch.device
) -> UncertainEstimate:
    """Estimate the signal of a plane (Y, X), ADU, in one symmetry, and which share of the noise it copies."""
    return estimate_with_uncertainty(
        network, plane_yx, device=device, symmetries=1, probes=_PROBES_OF_RESIDUALS
    )


def estimate_with_uncertainty(
    network: Network,
    plane_yx: np.ndarray,
    *,
    device: torch.device,
    symmetries: int | None = None,
    probes: int = _PROBES,
) -> UncertainEstimate:
    """Estimate the signal of a plane (Y, X), ADU, and with so many probes how uncertain it is.

    The variance of a posterior is the noise variance times the derivative of the posterior's mean by the
    pixel's own observation (Efron 2011, JASA 106, 1602), which random perturbations measure.
    """
    predict = partial(predict_plane, network, device=device)
    observation_yx, unperturbed_yx, signal_yx = _first_and_average(network, plane_yx, device, symmetries)
    noise_yx = _noise_adu(network.scale, signal_yx)
    copied_yx = np.zeros_like(signal_yx)
    # The same signs for each plane, so that a divided prediction gives the undivided result.
    rng = np.random.default_rng(0)
    for _ in range(probes):
        step_yx = np.where(rng.integers(0, 2, plane_yx.shape, dtype=np.int8), noise_yx, -noise_yx)
        step_yx *= np.float32(_PROBE_STEP)
        change_yx = predict(observation_yx + step_yx, symmetries=1).prior_mean_yx
        change_yx -= unperturbed_yx
        change_yx /= step_yx
        copied_yx += change_yx / probes
    copied_yx = _averaged(copied_yx, _SURROUNDINGS_PX).clip(*_COPIED)
    return UncertainEstimate(signal_yx, noise_yx * np.sqrt(copied_yx), copied_yx)


def _first_and_average(
    network: Network, plane_yx: np.ndarray, device: torch.device, symmetries: int | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what is denoised, its estimate in the first symmetry, in which others are compared, and in all.

    What is denoised is the plane, with heavy tails of the noise bounded unless one symmetry has to do; of the
    average, detail that noise explains is reduced.
    """
    count = network.symmetries if symmetries is None else symmetries
    predict = partial(predict_plane, network, device=device)
    first_yx = predict(plane_yx, symmetries=1).prior_mean_yx
    if count == 1:
        return plane_yx, first_yx, first_yx
    observation_yx = bounded_noise(plane_yx, first_yx, partial(_noise_adu, network.scale))
    if observation_yx is not plane_yx:
        first_yx = predict(observation_yx, symmetries=1).prior_mean_yx
    others_yx = predict(observation_yx, symmetries=range(1, count)).prior_mean_yx
    average_yx = others_yx
    average_yx *= count - 1
    average_yx += first_yx
    average_yx /= count
    return observation_yx, first_yx, without_invented_detail(average_yx, network.scale)


def _noise_adu(scale: Scale, signal_yx: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the noise at signals (Y, X), ADU, strip by strip."""
    noise_yx = np.empty_like(signal_yx)
    for rows in strips(signal_yx.shape):
        noise_yx[rows] = scale.noise_adu(torch.from_numpy(signal_yx[rows])).numpy()
    return noise_yx


def estimate_and_factor(
    pretrained: PretrainedNetwork, plane_yx: np.ndarray, *, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Return the estimate of a plane (Y, X), ADU, and the factor that makes residuals as large as the noise.

    Of white noise with variance 1, an estimate that copies the share c of a pixel's noise and errs by the
    variance v from noise and s from structure leaves a residual of variance 1 - 2c + v + s. For a posterior
    mean v + s = c, but the network errs less where a specimen is smoother than those that it knows. So the
    estimate is estimated anew with new noise (a parametric bootstrap): what changes with its sign is v, and
    what does not tells how much structure there is, in the share of c - v that is counted.
    """
    network = network_for(pretrained, None, plane_yx)
    estimate = estimate_of_residuals(network, plane_yx, device=device)
    copied_yx = estimate.copied_yx
    passed_yx, changed_yx = _errors_of_estimating_anew(network, estimate.signal_yx, plane_yx, device)
    passed_yx = np.minimum(passed_yx, copied_yx)
    structure_yx = np.minimum(_STRUCTURE * changed_yx, 1) * (copied_yx - passed_yx)
    # No error is less than the square of its covariance with the noise.
    error_yx = np.maximum(passed_yx + structure_yx, copied_yx**2)
    return estimate.signal_yx, 1 / np.sqrt(1 - 2 * copied_yx + error_yx)


def _errors_of_estimating_anew(
    network: Network, signal_yx: np.ndarray, plane_yx: np.ndarray, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Return the variance that comes from the noise, and the rest, relative to the noise's variance (Y, X).

    Derivatives would tell more than the noise that is passed on, as they vary with the noise themselves: the
    variance of a function is at most the mean square of its gradient (Poincare's inequality).
    """
    noise_yx = _noise_adu(network.scale, signal_yx)
    new_yx = noise_yx * np.random.default_rng(1).standard_normal(plane_yx.shape, dtype=np.float32)
    new_yx[~np.isfinite(plane_yx)] = np.nan
    above_yx, below_yx = (
        predict_plane(network, signal_yx + sign * new_yx, device=device, symmetries=1).prior_mean_yx
        for sign in (1, -1)
    )
    passed_yx, changed_yx = (above_yx - below_yx) / 2, (above_yx + below_yx) / 2 - signal_yx
    relative_yx = (np.square(each / noise_yx) for each in (passed_yx, changed_yx))
    passed_yx, changed_yx = (_averaged(each, _ERROR_SURROUNDINGS_PX) for each in relative_yx)
    return passed_yx, changed_yx


def _averaged(values_yx: np.ndarray, width_px: float) -> np.ndarray:
    """Return averages over the surroundings of each pixel; values that are not finite count as 0."""
    known_yx = np.nan_to_num(values_yx, posinf=0, neginf=0)
    return np.asarray(ndimage.gaussian_filter(known_yx, width_px))
