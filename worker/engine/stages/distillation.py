"""Distillation targets (PN2V's MMSE estimates) and weight initialisation."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from worker.engine.networks.network import Network
from worker.engine.noise.models.likelihood import NoiseModel
from worker.engine.planes.sequence import PlaneSequence
from worker.engine.prediction.inference import predict_plane
from worker.engine.training.presets import TrainingPreset


@dataclass(frozen=True)
class EstimatedPlanes:
    """PlaneSequence of PN2V's MMSE estimates, float32 (Y, X) in ADU, computed on access.

    Pixels that are not finite stay NaN: there is no observation to learn from.
    """

    planes: PlaneSequence
    pn2v: Network
    noise_model: NoiseModel
    device: torch.device

    def __len__(self) -> int:
        return len(self.planes)

    def __getitem__(self, index: int, /) -> np.ndarray:
        plane_yx = self.planes[index]
        estimate = predict_plane(self.pn2v, plane_yx, noise_model=self.noise_model, device=self.device)
        estimate_yx = estimate.prior_mean_yx if estimate.mmse_yx is None else estimate.mmse_yx
        return np.where(np.isfinite(plane_yx), estimate_yx, np.float32(np.nan))


def first_weights(pn2v: Network, preset: TrainingPreset) -> Network | None:
    """Return the teacher as start network if the preset says so and the shapes match, else None."""
    fits = replace(pn2v.model.shape, outputs=1) == preset.shape("distilled")
    return pn2v if fits and preset.distillation_warm_start else None
