"""Images of few photons, whose pixels tests overwrite."""

import numpy as np
from numpy.typing import NDArray

from worker.engine.simulation import simulate_specimen

SHAPE_YX = (200, 180)


def dim_image(seed: int = 1) -> NDArray[np.uint16]:
    """Return up to 64 photons of 2 ADU each, on an offset of 100 ADU with 2 ADU of read noise."""
    rng = np.random.default_rng(seed)
    photons = 4 + 60 * simulate_specimen(SHAPE_YX, seed=seed)
    observed = 100 + 2 * rng.poisson(photons) + rng.normal(0, 2, SHAPE_YX)
    return observed.round().astype(np.uint16)
