"""How a network's estimate follows the noise of a plane, measured with a random perturbation."""

from dataclasses import replace

import numpy as np
import torch

from worker.engine.networks.network import Network
from worker.engine.noise.measuring.lost_detail import Response
from worker.engine.prediction.inference import predict_plane

_WINDOW_PX = 256
_STEP = 0.1
"""Size of the perturbation, in standard deviations of the noise."""


def measure_response(
    network: Network, plane_yx: np.ndarray, noise_adu: np.ndarray, *, device: torch.device
) -> Response:
    """Measure the response in the middle of a plane (Y, X), ADU, whose noise has this standard deviation."""
    starts = [max(size - _WINDOW_PX, 0) // 2 for size in plane_yx.shape]
    window = (
        slice(starts[0], starts[0] + _WINDOW_PX),
        slice(starts[1], starts[1] + _WINDOW_PX),
    )
    if network.frames is not None:
        network = replace(network, frames=network.frames[:, *window])
    seen_yx = np.asarray(plane_yx[window], dtype=np.float32)
    # The same signs for each plane, so that a divided prediction is judged as the undivided one.
    signs_yx = np.random.default_rng(0).choice(np.array([-1.0, 1.0]), seen_yx.shape)
    step_yx = (_STEP * signs_yx * noise_adu[window]).astype(np.float32)
    before_yx, after_yx = (
        predict_plane(network, yx, device=device, symmetries=1).prior_mean_yx
        for yx in (seen_yx, seen_yx + step_yx)
    )
    return Response(window, signs_yx, (after_yx.astype(np.float64) - before_yx) / _STEP)
