"""Distillation targets (estimates of PN2V or the pretrained network) and weight initialisation."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from worker.engine.errors import ImageUnsuitableError
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.noise.measuring.residual_pattern import SpectralPeaks, spectral_peaks
from worker.engine.noise.models.likelihood import NoiseModel
from worker.engine.planes.sequence import PlaneSequence, middle_window, with_data
from worker.engine.prediction.inference import predict_plane
from worker.engine.stages.pretrained import estimate_alone, network_for
from worker.engine.training.presets import TrainingPreset

_PLANES_OF_SCALE = 4
_PLANES_OF_PATTERN, _WINDOW_PX = 2, 512


@dataclass(frozen=True)
class EstimatedPlanes:
    """PlaneSequence of estimates, float32 (Y, X) in ADU, computed on access.

    Pixels that are not finite stay NaN: there is no observation to learn from.
    """

    planes: PlaneSequence
    estimate: Callable[[np.ndarray], np.ndarray]

    def __len__(self) -> int:
        return len(self.planes)

    def __getitem__(self, index: int, /) -> np.ndarray:
        plane_yx = self.planes[index]
        return np.where(np.isfinite(plane_yx), self.estimate(plane_yx), np.float32(np.nan))


def estimates_of_pn2v(
    planes: PlaneSequence, pn2v: Network, noise_model: NoiseModel, device: torch.device
) -> EstimatedPlanes:
    """Return PN2V's MMSE estimates of planes."""

    def estimate(plane_yx: np.ndarray) -> np.ndarray:
        found = predict_plane(pn2v, plane_yx, noise_model=noise_model, device=device)
        return found.prior_mean_yx if found.mmse_yx is None else found.mmse_yx

    return EstimatedPlanes(planes, estimate)


def estimates_of_pretrained(
    planes: PlaneSequence,
    pretrained: PretrainedNetwork,
    noise_model: NoiseModel,
    *,
    bootstrapped: bool,
    device: torch.device,
) -> EstimatedPlanes:
    """Return the pretrained network's estimates of planes, each on its own scale."""

    def estimate(plane_yx: np.ndarray) -> np.ndarray:
        network = network_for(pretrained, noise_model, plane_yx, bootstrapped=bootstrapped)
        return estimate_alone(network, plane_yx, device=device)

    return EstimatedPlanes(planes, estimate)


def network_to_adapt(
    pretrained: PretrainedNetwork,
    planes: PlaneSequence,
    noise_model: NoiseModel | None,
    *,
    bootstrapped: bool,
) -> Network:
    """Return the pretrained network on one scale for all planes, as the start of a training on them."""
    some = list(with_data(planes, _PLANES_OF_SCALE))
    if not some:
        raise ImageUnsuitableError(
            "every plane of the images is empty (one value, or none), so there is nothing to denoise"
        )
    width = min(plane_yx.shape[1] for plane_yx in some)
    joined_yx = np.concatenate([plane_yx[:, :width] for plane_yx in some])
    return network_for(pretrained, noise_model, joined_yx, bootstrapped=bootstrapped)


def pattern_left(
    pretrained: PretrainedNetwork,
    planes: PlaneSequence,
    noise_model: NoiseModel | None,
    *,
    bootstrapped: bool,
    device: torch.device,
) -> SpectralPeaks:
    """Return the spectral peaks of what the pretrained network removes, the highest of some planes."""
    peaks = [SpectralPeaks()]
    for plane_yx in with_data(planes, _PLANES_OF_PATTERN):
        window_yx = middle_window(plane_yx, _WINDOW_PX)
        network = network_for(pretrained, noise_model, window_yx, bootstrapped=bootstrapped)
        signal_yx = predict_plane(network, window_yx, device=device, symmetries=1).prior_mean_yx
        noise_yx = network.scale.noise_adu(torch.from_numpy(signal_yx)).numpy()
        peaks.append(spectral_peaks((window_yx - signal_yx) / noise_yx))
    return SpectralPeaks(max(each.highest for each in peaks), max(each.tenth for each in peaks))


def first_weights(pn2v: Network, preset: TrainingPreset) -> Network | None:
    """Return the teacher as start network if the preset says so and the shapes match, else None."""
    fits = replace(pn2v.model.shape, outputs=1) == preset.shape("distilled")
    return pn2v if fits and preset.distillation_warm_start else None
