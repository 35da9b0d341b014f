"""Scenes cut out of a facility's own images, as the light that arrives at the detector."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_DARKEST, _BRIGHTEST = 0.001, 0.995
"""Quantiles of a plane that count as no light and as the brightest."""

_ZOOM = (0.7, 1.4)
"""Other objectives and pixel sizes show the same structures smaller or larger."""


@dataclass(frozen=True, eq=False)
class OwnScenes:
    """Planes (Y, X) of relative light, 0 .. about 1, and a digest that names them."""

    planes: Sequence[NDArray[np.float32]]
    digest: str

    @classmethod
    def of(cls, estimates: Iterable[NDArray[np.float32]]) -> Self:
        """Return the scenes of estimated signals (Y, X) in ADU; planes without contrast are left out."""
        planes = [_relative(each_yx) for each_yx in estimates if np.ptp(each_yx) > 0]
        digest = hashlib.sha256()
        for plane_yx in planes:
            digest.update(plane_yx.tobytes())
        return cls(planes, digest.hexdigest()[:8])

    def draw(self, side_px: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return a random part of a random plane, enlarged or reduced to a square (Y, X)."""
        plane_yx = self.planes[int(rng.integers(len(self.planes)))]
        wanted_px = round(side_px * float(np.exp(rng.uniform(*np.log(_ZOOM)))))
        missing = [max(wanted_px - size, 0) for size in plane_yx.shape]
        if any(missing):
            plane_yx = np.pad(plane_yx, [(0, count) for count in missing], mode="symmetric")
        top, left = (int(rng.integers(size - wanted_px + 1)) for size in plane_yx.shape)
        part_yx = plane_yx[top : top + wanted_px, left : left + wanted_px].astype(np.float64)
        zoomed_yx = ndimage.zoom(part_yx, side_px / wanted_px, order=3, mode="mirror", grid_mode=False)
        return np.asarray(zoomed_yx, dtype=np.float64).clip(0)


def _relative(signal_yx: NDArray[np.float32]) -> NDArray[np.float32]:
    dark, bright = np.quantile(signal_yx, [_DARKEST, _BRIGHTEST])
    if bright <= dark:
        dark, bright = signal_yx.min(), signal_yx.max()
    relative_yx: NDArray[np.float32] = ((signal_yx - dark) / (bright - dark)).clip(0).astype(np.float32)
    return relative_yx
