"""Photon transfer: temporal variance against mean of the pixels of a static scene, frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from worker.engine.noise.measuring.scene import SceneAverage

MIN_FRAMES = 4
MAX_BINS = 24
_MIN_BIN_PX, _SMOOTHING_PX = 64, 5

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TransferPoints:
    """Mean signals (ADU) and temporal variances (ADU^2) of bins of pixels, with the moments of their errors.

    `moments` (3, bins): squared error of the variance, its product with that of the signal, and the latter's
    square.
    """

    signal_adu: FloatArray
    variance_adu2: FloatArray
    moments: FloatArray

    @classmethod
    def of(cls, parts: Sequence["TransferPoints"]) -> Self:
        """Join the points of several scenes."""
        return cls(
            np.concatenate([each.signal_adu for each in parts]),
            np.concatenate([each.variance_adu2 for each in parts]),
            np.concatenate([each.moments for each in parts], axis=1),
        )

    def error_adu2(self, gain_adu: float) -> FloatArray:
        """Return the standard errors of the points' distances from a line of this slope."""
        factors = np.array([1.0, -2 * gain_adu, gain_adu**2])
        return np.asarray(np.sqrt((factors @ self.moments).clip(0)))


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error."""

    value: float
    error: float


class PhotonTransfer:
    """Sums over the frames of a scene, for even and odd frames apart: their noise is independent.

    Pixels are sorted by the light of one half and measured by the other, so that noise does not decide where
    a pixel counts; the difference of the halves is the error. What the pixels of a camera differ by is in
    both halves, so that errors are those of a repetition with the same camera.
    """

    def __init__(self, scene: SceneAverage) -> None:
        self._scene = scene
        shape_yx = scene.mean_yx.shape
        self._frames = [0, 0]
        self._sum = np.zeros((2, *shape_yx), dtype=np.float32)
        self._squares = np.zeros((2, *shape_yx), dtype=np.float32)
        self._products = [np.zeros(np.subtract(shape_yx, step), np.float32) for step in ((1, 0), (0, 1))]
        self._frame_means_adu: list[float] = []

    def add(self, frame: NDArray[Any], residual_yx: FloatArray) -> None:
        """Add a frame (Y, X) and its residual from the scene's mean, 0 where pixels are not usable."""
        half = sum(self._frames) % 2
        self._frames[half] += 1
        self._sum[half] += residual_yx
        self._squares[half] += residual_yx**2
        self._products[0] += residual_yx[1:] * residual_yx[:-1]
        self._products[1] += residual_yx[:, 1:] * residual_yx[:, :-1]
        self._frame_means_adu.append(float(frame[self._scene.usable_yx].mean()))

    @property
    def frames(self) -> int:
        return sum(self._frames)

    @property
    def scene(self) -> SceneAverage:
        return self._scene

    def points(self, counted_yx: Mask, *, bins: int = MAX_BINS) -> TransferPoints:
        """Return the points of the pixels that count, sorted by light; 1 bin suits a scene without any."""
        signal, variance = self._halves(counted_yx)
        light = self._light(counted_yx)
        number = max(min(bins, signal.shape[1] // _MIN_BIN_PX), 1)
        edges = np.quantile(light.mean(axis=0), np.linspace(0, 1, number + 1)[1:-1])
        bin_of = np.searchsorted(edges, light[::-1].reshape(-1))

        def sums(values: FloatArray) -> FloatArray:
            return np.bincount(bin_of, values.reshape(-1), minlength=number).astype(np.float64)

        count = sums(np.ones_like(signal)).clip(1)
        one, other = (variance[0] - variance[1]) / 2, (signal[0] - signal[1]) / 2
        products = [np.broadcast_to(each, signal.shape) for each in (one**2, one * other, other**2)]
        moments = np.stack([sums(each) for each in products]) * 2 / count**2
        return TransferPoints(sums(signal) / count, sums(variance) / count, moments)

    def mean_variance_adu2(self, counted_yx: Mask) -> Estimate:
        """Return the mean temporal variance of the pixels that count."""
        _, variance = self._halves(counted_yx)
        half_difference = (variance[0] - variance[1]) / 2
        return Estimate(
            float(variance.mean()), float(np.sqrt((half_difference**2).mean() / variance.shape[1]))
        )

    def mean_adu(self, counted_yx: Mask) -> Estimate:
        """Return the mean of the pixels that count; its error is the spread of the frames' means."""
        spread_adu = float(np.std(self._frame_means_adu, ddof=1))
        return Estimate(float(self._scene.mean_yx[counted_yx].mean()), spread_adu / self.frames**0.5)

    def correlation(self, axis: int, counted_yx: Mask, variance_yx: FloatArray) -> Estimate:
        """Return the correlation of the noise of neighbours along an axis (0: Y, 1: X)."""
        one, other = (np.s_[1:], np.s_[:-1]) if axis == 0 else (np.s_[:, 1:], np.s_[:, :-1])
        both = counted_yx[one] & counted_yx[other]
        scale = (self.frames - 1) * np.sqrt(variance_yx[one] * variance_yx[other])[both]
        products = self._products[axis][both] / scale
        return Estimate(float(products.mean()), float(products.std() / np.sqrt(products.size)))

    def _halves(self, counted_yx: Mask) -> tuple[FloatArray, FloatArray]:
        """Return means and variances (2, pixels) of each half."""
        frames = np.array(self._frames, dtype=np.float64)[:, None]
        total = self._sum[:, counted_yx].astype(np.float64)
        signal = self._scene.mean_yx[counted_yx] + total / frames
        return signal, (self._squares[:, counted_yx] - total**2 / frames) / (frames - 1)

    def _light(self, counted_yx: Mask) -> FloatArray:
        """Return the light on each pixel (2, pixels) by each half: smoothed, as pixels themselves differ."""
        weight_yx = ndimage.uniform_filter(counted_yx.astype(np.float64), _SMOOTHING_PX)[counted_yx]
        mean_yx = np.where(counted_yx, self._scene.mean_yx, 0.0)
        means = (mean_yx + np.where(counted_yx, self._sum[half], 0) / self._frames[half] for half in (0, 1))
        return np.stack(
            [ndimage.uniform_filter(each, _SMOOTHING_PX)[counted_yx] / weight_yx for each in means]
        )
