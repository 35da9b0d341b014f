"""Scale of the stated standard deviations, found by denoising simulated noise: the truth is known there."""

from dataclasses import replace

import numpy as np
import torch

from worker.engine.planes.neighbours import NO_NEIGHBOURS
from worker.engine.planes.sequence import PlaneSequence, middle_window, with_data
from worker.engine.prediction.faint_detail import without_invented_detail
from worker.engine.prediction.inference import predict_plane
from worker.engine.prediction.interval_scale import IntervalScale
from worker.engine.stages.denoise import Denoiser, denoise_plane, network_of

_WINDOW_PX = 192
_MIN_PIXELS = 4096
_LOST_STRUCTURE = 1.06
"""Estimates lack structure that real signals have, so that their errors are larger: see docs/results.md."""
_LIMITS = (0.02, 3.0)
"""PN2V states deviations in even, dark places that are up to 40 times larger than its errors there."""


def with_interval_scale(
    denoiser: Denoiser, planes: PlaneSequence, *, seed: int, device: torch.device
) -> Denoiser:
    """Return the denoiser with the scale that makes intervals of its standard deviations hold the signals.

    An estimate of the middle of one plane is taken for the truth, and denoised again under noise of the noise
    model (parametric bootstrap, Efron 1979). The scale of a stack's estimate is that of its planes alone.
    """
    alone = denoiser
    if denoiser.reach:
        choice = replace(denoiser.choice, estimate="pretrained")
        alone = replace(denoiser, choice=choice)
    return replace(denoiser, interval_scale=_measured(alone, planes, seed, device))


def _measured(denoiser: Denoiser, planes: PlaneSequence, seed: int, device: torch.device) -> IntervalScale:
    plane_yx = next(with_data(planes, 1), np.empty((0, 0)))
    window_yx = middle_window(plane_yx.astype(np.float32), _WINDOW_PX)
    known_yx = np.isfinite(window_yx)
    if known_yx.sum() < _MIN_PIXELS:
        return IntervalScale()
    truth_yx = _estimate(denoiser, window_yx, device)
    noise_model = denoiser.noise_model.to(torch.device("cpu"), torch.float32)
    drawn_yx = noise_model.sample(torch.from_numpy(truth_yx), torch.Generator().manual_seed(seed)).numpy()
    again = denoise_plane(np.where(known_yx, drawn_yx, np.float32(np.nan)), denoiser, device=device)
    if again.std_yx is None:
        return IntervalScale()
    error_adu = (truth_yx - again.image_yx)[known_yx]
    error_adu -= error_adu.mean()  # results keep the mean of their plane
    held = np.abs(error_adu) / np.maximum(again.std_yx[known_yx], np.finfo(np.float32).tiny)
    return IntervalScale.measured(again.image_yx[known_yx], held, margin=_LOST_STRUCTURE, limits=_LIMITS)


def _estimate(denoiser: Denoiser, window_yx: np.ndarray, device: torch.device) -> np.ndarray:
    """Return an estimate of the signal; that of a single network in one symmetry, which is less smooth."""
    network = network_of(denoiser, window_yx, NO_NEIGHBOURS)
    if network is None:
        return denoise_plane(window_yx, denoiser, device=device).image_yx
    signal_yx = predict_plane(network, window_yx, device=device, symmetries=1).prior_mean_yx
    return signal_yx if denoiser.pretrained is None else without_invented_detail(signal_yx, network.scale)
