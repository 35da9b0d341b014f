"""Random textures that fill the field, seen by a camera with independent or correlated noise."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float64]

OFFSET_ADU, READ_ADU = 100.0, 2.0


def texture(photons: float, grain_px: float, seed: int, size_px: int = 512) -> FloatArray:
    """Return log-normal tissue whose logarithm is white noise smoothed with a Gaussian, in photons."""
    white = np.random.default_rng([1, seed]).normal(size=(size_px, size_px))
    smooth = ndimage.gaussian_filter(white, grain_px, mode="wrap")
    return np.asarray(photons * np.exp(0.7 * smooth / smooth.std()))


def observe(
    photons_yx: FloatArray, seed: int, *, along_x: float = 0, rows_adu: float = 0
) -> NDArray[np.uint16]:
    """Return counts of a camera of gain 1, in ADU.

    `along_x`: correlation of the noise of neighbours. `rows_adu`: sd of an offset for each row.
    """
    rng = np.random.default_rng([2, seed])
    noise = rng.poisson(photons_yx) - photons_yx + rng.normal(0, READ_ADU, photons_yx.shape)
    neighbour = 2 * along_x / (1 + np.sqrt(1 - 4 * along_x**2))
    noise = (noise + neighbour * np.roll(noise, 1, axis=1)) / np.hypot(1, neighbour)
    rows = rng.normal(0, rows_adu, (len(noise), 1)) if rows_adu else 0.0
    counts_adu: FloatArray = np.rint((OFFSET_ADU + photons_yx + noise + rows).clip(0, 65535))
    return counts_adu.astype(np.uint16)
