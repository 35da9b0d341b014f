"""Coverage of the images' signals by the range a noise model was fitted to."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from worker.engine.noise.models.kinds import AnyNoiseModel
from worker.engine.planes.sequence import PlaneSequence, affordable, with_data

MAX_OUTSIDE = 0.01
UNUSABLE_OUTSIDE = 0.5
_NEIGHBOURHOOD_PX = 5


@dataclass(frozen=True)
class Coverage:
    """Fractions of the images' pixels with signals below and above the range a noise model was fitted to.

    Signals within a standard deviation of the noise from the range count as covered. The images' signals span
    `images_min_adu` .. `images_max_adu`, except for half a percent at each end.
    """

    below: float
    above: float
    signal_min_adu: float
    signal_max_adu: float
    images_min_adu: float
    images_max_adu: float

    @property
    def unusable(self) -> str | None:
        """Reason why the noise model is unusable for the images, or None."""
        return self._sentence() if self.below + self.above > UNUSABLE_OUTSIDE else None

    @property
    def warning(self) -> str | None:
        """Warning for the user, or None."""
        return self._sentence() if self.below + self.above > MAX_OUTSIDE else None

    def _sentence(self) -> str:
        sides = (("below", self.below), ("above", self.above))
        outside = " and ".join(f"{share:.1%} {side}" for side, share in sides if share > MAX_OUTSIDE / 2)
        return (
            f"the noise model covers signals of {self.signal_min_adu:.4g} .. {self.signal_max_adu:.4g} ADU, "
            f"the images {self.images_min_adu:.4g} .. {self.images_max_adu:.4g} ADU: {outside} this range, "
            "where the noise is assumed to be as at its nearest end; calibrate over the whole range of the "
            "images"
        )


def coverage(model: AnyNoiseModel, signal_range_adu: tuple[float, float], planes: PlaneSequence) -> Coverage:
    """Compare the range of signals (ADU) a model was fitted to with planes (Y, X), read one at a time.

    The mean of a pixel's neighbourhood is taken as its signal.
    """
    low_adu, high_adu = signal_range_adu
    noise_adu = model.variance_adu2(torch.tensor(signal_range_adu, dtype=torch.float64)).sqrt()
    least_adu, most_adu = low_adu - float(noise_adu[0]), high_adu + float(noise_adu[1])
    below = above = pixels = 0
    images_min_adu, images_max_adu = np.inf, -np.inf
    for plane_yx in with_data(planes, affordable(planes)):
        signal_adu = _local_means(plane_yx.astype(np.float64))
        if not signal_adu.size:
            continue
        pixels += signal_adu.size
        below += int((signal_adu < least_adu).sum())
        above += int((signal_adu > most_adu).sum())
        lowest, highest = np.percentile(signal_adu, (0.5, 99.5))
        images_min_adu, images_max_adu = min(images_min_adu, lowest), max(images_max_adu, highest)
    return Coverage(
        below=below / max(pixels, 1),
        above=above / max(pixels, 1),
        signal_min_adu=low_adu,
        signal_max_adu=high_adu,
        images_min_adu=float(images_min_adu),
        images_max_adu=float(images_max_adu),
    )


def _local_means(plane_yx: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of the finite pixels around each finite pixel, flattened."""
    finite = np.isfinite(plane_yx)
    total, share = (
        ndimage.uniform_filter(each_yx, _NEIGHBOURHOOD_PX)
        for each_yx in (np.where(finite, plane_yx, 0.0), finite.astype(np.float64))
    )
    return np.asarray(total[finite] / np.maximum(share[finite], 1e-12))
