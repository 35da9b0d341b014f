"""The `clearscope` command with simulated GPU prediction: a plane takes time but no CPU core.

Job processes import this module too, because they import the main module of their parent.
"""

import time
from unittest.mock import patch

import numpy as np
import torch

from app.commands.main import main
from benchmarks.simulated_time import PLANE_S
from worker.engine.planes.neighbours import Neighbours
from worker.engine.stages.denoise import Denoised, Denoiser, denoise_plane
from worker.jobs import estimates


def _denoise_plane_slowly(
    plane_yx: np.ndarray,
    denoiser: Denoiser,
    *,
    neighbours: Neighbours,
    device: torch.device,
    with_std: bool,
) -> Denoised:
    time.sleep(PLANE_S)
    return denoise_plane(plane_yx, denoiser, neighbours=neighbours, device=device, with_std=with_std)


patch.object(estimates, "denoise_plane", _denoise_plane_slowly).start()

if __name__ == "__main__":
    main()
