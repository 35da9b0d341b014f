"""How a scene changes from the first to the last of its frames: brightness and place."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from worker.engine.noise.scene import SceneAverage

_CERTAIN = 3.0
_FAR_PX = 0.5
_SMOOTHING_PX = 2.0
# Smoothing leaves one independent pixel of about so many.
_DEPENDENT_PIXELS = 4 * np.pi * _SMOOTHING_PX**2
_UPSAMPLING = 50


@dataclass(frozen=True)
class SceneTrend:
    """From the first to the last quarter of the frames, with standard errors.

    `brightness_change`: share of the light that has come or gone; the detector's offset does not matter.
    `drift_px` (y, x): how far the scene has moved.
    """

    brightness_change: float
    brightness_error: float
    drift_px: tuple[float, float]
    drift_error_px: float

    @classmethod
    def of(cls, scene: SceneAverage) -> Self:
        """Regress the difference of both quarters on the mean and its slopes (Lucas and Kanade 1981)."""
        usable = scene.usable_yx
        if not usable.any():
            return cls(0.0, 0.0, (0.0, 0.0), 0.0)
        mean_yx = _smooth(np.where(usable, scene.mean_yx, np.median(scene.mean_yx[usable])))
        change_yx = _smooth(np.where(usable, scene.late_yx - scene.early_yx, 0.0))
        slope_y, slope_x = np.gradient(mean_yx)
        terms = np.stack([each.ravel() for each in (mean_yx - mean_yx.mean(), -slope_y, -slope_x)], axis=1)
        terms -= terms.mean(axis=0)
        change = change_yx.ravel() - change_yx.mean()
        gram = terms.T @ terms
        gram += np.eye(3) * max(1e-12 * float(np.trace(gram)), 1e-30)
        inverse = np.linalg.inv(gram)
        found = inverse @ (terms.T @ change)
        unexplained = float(((change - terms @ found) ** 2).mean()) * _DEPENDENT_PIXELS
        errors = np.sqrt(unexplained * np.diag(inverse))
        trend = cls(
            brightness_change=float(found[0]),
            brightness_error=float(errors[0]),
            drift_px=(float(found[1]), float(found[2])),
            drift_error_px=float(errors[1:].max()),
        )
        return trend._refined(scene) if trend.moves(_FAR_PX) else trend

    def dims(self, by: float) -> bool:
        """Tell whether the brightness certainly changes by more than a share."""
        return abs(self.brightness_change) > max(by, _CERTAIN * self.brightness_error)

    def moves(self, by_px: float) -> bool:
        """Tell whether the scene certainly moves by more than this along an axis."""
        return max(map(abs, self.drift_px)) > max(by_px, _CERTAIN * self.drift_error_px)

    def _refined(self, scene: SceneAverage) -> Self:
        """Measure a movement that is too far for a regression on slopes."""
        dark_adu = float(np.percentile(scene.mean_yx[scene.usable_yx], 0.5))
        early_yx, late_yx = (
            np.where(scene.usable_yx, each_yx - dark_adu, 0.0) for each_yx in (scene.early_yx, scene.late_yx)
        )
        (y, x), _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]  # scikit-image has no types
            late_yx, early_yx, upsample_factor=_UPSAMPLING, normalization=None
        )
        return type(self)(
            self.brightness_change, self.brightness_error, (float(y), float(x)), self.drift_error_px
        )


def _smooth(image_yx: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(ndimage.gaussian_filter(image_yx, _SMOOTHING_PX, mode="nearest"))
