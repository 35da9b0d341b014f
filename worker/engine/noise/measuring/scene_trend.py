"""Trend of a scene from its first to its last frames: brightness change and drift."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from worker.engine.noise.measuring.scene import SceneAverage

_CERTAIN = 3.0
_STEPS = 4
_SMOOTHING_PX = 2.0
# Number of pixels per independent one after smoothing.
_DEPENDENT_PIXELS = 4 * np.pi * _SMOOTHING_PX**2

FloatImage = NDArray[np.float64]


@dataclass(frozen=True)
class SceneTrend:
    """Change from the first to the last quarter of the frames, with standard errors.

    `brightness_change` is the relative change of the light, independent of the detector's offset; `drift_px`
    (y, x) is the displacement of the scene.
    """

    brightness_change: float
    brightness_error: float
    drift_px: tuple[float, float]
    drift_error_px: float

    @classmethod
    def of(cls, scene: SceneAverage) -> Self:
        """Regress the difference of both quarters on the mean and its gradient, iteratively.

        After Lucas and Kanade (1981), IJCAI, 674.
        """
        if not scene.usable_yx.any():
            return cls(0.0, 0.0, (0.0, 0.0), 0.0)
        mean_yx, early_yx, late_yx = (
            _smooth(scene, each_yx) for each_yx in (scene.mean_yx, scene.early_yx, scene.late_yx)
        )
        slope_y, slope_x = np.gradient(mean_yx)
        terms = np.stack([each.ravel() for each in (mean_yx, -slope_y, -slope_x)], axis=1)
        terms -= terms.mean(axis=0)
        gram = terms.T @ terms
        inverse = np.linalg.inv(gram + np.eye(3) * max(1e-12 * float(np.trace(gram)), 1e-30))
        drift_px = np.zeros(2)
        for _ in range(_STEPS):
            change = (late_yx - ndimage.shift(early_yx, drift_px, order=1, mode="nearest")).ravel()
            change -= change.mean()
            found = inverse @ (terms.T @ change)
            drift_px += found[1:]
        unexplained = float(((change - terms @ found) ** 2).mean()) * _DEPENDENT_PIXELS
        errors = np.sqrt(unexplained * np.diag(inverse))
        return cls(
            brightness_change=float(found[0]),
            brightness_error=float(errors[0]),
            drift_px=(float(drift_px[0]), float(drift_px[1])),
            drift_error_px=float(errors[1:].max()),
        )

    def brightness_changes(self, by: float) -> bool:
        """Return whether the brightness changes significantly and by more than this fraction."""
        return abs(self.brightness_change) > max(by, _CERTAIN * self.brightness_error)

    def moves(self, by_px: float) -> bool:
        """Return whether the scene moves significantly and by more than this along an axis."""
        return max(map(abs, self.drift_px)) > max(by_px, _CERTAIN * self.drift_error_px)


def slopes_yx(scene: SceneAverage) -> tuple[FloatImage, FloatImage]:
    """Return the gradient of the mean along y and x, ADU per pixel; 0 where a pixel is not usable."""
    if not scene.usable_yx.any():
        return np.zeros(scene.mean_yx.shape), np.zeros(scene.mean_yx.shape)
    slope_y, slope_x = np.gradient(_smooth(scene, scene.mean_yx))
    return np.where(scene.usable_yx, slope_y, 0.0), np.where(scene.usable_yx, slope_x, 0.0)


def _smooth(scene: SceneAverage, image_yx: FloatImage) -> FloatImage:
    """Smooth the image, with unusable pixels replaced by the median."""
    filled_yx = np.where(scene.usable_yx, image_yx, np.median(scene.mean_yx[scene.usable_yx]))
    return np.asarray(ndimage.gaussian_filter(filled_yx, _SMOOTHING_PX, mode="nearest"))
