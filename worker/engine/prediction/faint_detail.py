"""Detail so faint that a pretrained network makes as much of it from noise alone: it is reduced."""

import numpy as np
import torch
from scipy import ndimage

from worker.engine.networks.scale import Scale
from worker.engine.planes.strips import strips

_INVENTED = 0.0045
"""Variance of the detail that the packaged networks make from flat noise, in the noise's: see ADR 52."""

_EVEN_PX = 16.0
"""Detail is what a Gaussian of this width takes away; its energy is averaged over the same surroundings."""

_OBJECT_PX = 2.0
_CONCENTRATION = 4.0
"""A small object is told from invented detail by its energy within so few pixels, over that share."""

_TRUNCATED = 2.5
_HALO_ROWS = 2 * (int(_TRUNCATED * _EVEN_PX + 0.5) + 1)
_MIN_ROWS = 256
"""Rows that are worked on at once: large planes would take several times their memory."""


def without_invented_detail(signal_yx: np.ndarray, scale: Scale) -> np.ndarray:
    """Return an estimate (Y, X), float32 ADU, its detail reduced where noise explains the energy E.

    The factor is 1 - (I / E)^2, where I is what the network invents: like that of Wiener (1949), closer to 1
    for energies above I, because the network has reduced the detail of weak signals already.
    """
    reduced_yx = np.empty_like(signal_yx)
    for rows in strips(signal_yx.shape, multiple=_MIN_ROWS):
        start = max(rows.start - _HALO_ROWS, 0)
        around_yx = signal_yx[start : rows.stop + _HALO_ROWS]
        reduced_yx[rows] = _reduced(around_yx, scale)[rows.start - start : rows.stop - start]
    return reduced_yx


def _reduced(signal_yx: np.ndarray, scale: Scale) -> np.ndarray:
    signal = torch.from_numpy(signal_yx)
    detail_yx = scale.noise_units(signal).numpy()
    detail_yx -= _averaged(detail_yx, _EVEN_PX)
    squared_yx = np.square(detail_yx)
    energy_yx = np.maximum(
        _averaged(squared_yx, _EVEN_PX), _averaged(squared_yx, _OBJECT_PX) / _CONCENTRATION
    )
    invented_yx = np.square(_INVENTED / np.maximum(energy_yx, _INVENTED))
    return np.asarray(signal_yx - invented_yx * detail_yx * scale.noise_adu(signal).numpy())


def _averaged(values_yx: np.ndarray, width_px: float) -> np.ndarray:
    return np.asarray(ndimage.gaussian_filter(values_yx, width_px, truncate=_TRUNCATED))
