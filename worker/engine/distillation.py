"""What a distilled network is taught: PN2V's estimate, which it is to find again under fresh noise."""

from dataclasses import dataclass

import numpy as np
import torch

from worker.engine.inference import predict_plane
from worker.engine.losses import NoiseModel
from worker.engine.network import Network
from worker.engine.patches import PlaneSequence


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
