"""What a distilled network is taught, PN2V's estimate under fresh noise, and what it starts from."""

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
    """PN2V's MMSE estimates of planes, float32 (Y, X) in ADU, each made when it is asked for."""

    planes: PlaneSequence
    pn2v: Network
    noise_model: NoiseModel
    device: torch.device

    def __len__(self) -> int:
        return len(self.planes)

    def __getitem__(self, index: int, /) -> np.ndarray:
        estimate = predict_plane(
            self.pn2v, self.planes[index], noise_model=self.noise_model, device=self.device
        )
        return estimate.prior_mean_yx if estimate.mmse_yx is None else estimate.mmse_yx


def first_weights(pn2v: Network, preset: TrainingPreset) -> Network | None:
    """The teacher, where its weights fit: those of a blind-spot network are of no use to a U-Net."""
    fits = replace(pn2v.model.shape, outputs=1) == preset.shape("distilled")
    return pn2v if fits and preset.distillation_warm_start else None
