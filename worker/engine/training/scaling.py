"""The scale of a network's pixels, measured on the training images."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from worker.engine.errors import ImageUnsuitableError
from worker.engine.networks.scale import Scale
from worker.engine.noise.models.likelihood import NoiseModel
from worker.engine.planes.sequence import middle_window
from worker.engine.training.presets import ScaleKind

MIN_PIXELS = 64
"""Finite pixels that a scale takes at least."""

_MAX_PIXELS = 1 << 22
"""Pixels from which the scale is measured; more do not make it better."""

_WINDOW_PX = 2048
"""Side of the part of an image in which noise is measured, which bounds the memory."""

_BINS = 32
_ROWS = 256
_SUPPORT_PX = 4
_KEPT, _KEPT_VARIANCE = 0.9, 0.6232
"""Share of the squared residuals that is kept, against structure, and their mean for noise of variance 1."""

_ROUNDS = 10
_LEAST_SHARE = 0.25
"""Lower bound of the noise variance at the darkest signals, relative to the one measured there."""

_PHOTON_SHARE = 3 / 8
"""Lower bound of the same, in squared gains: fewer photons are no Gaussian noise (Anscombe 1948)."""

FloatArray = NDArray[np.float64]


def scale_of(images: Sequence[Tensor], kind: ScaleKind, noise_model: NoiseModel | None) -> Scale:
    """Return the scale of images (H, W), ADU; raise ImageUnsuitableError if few pixels are finite."""
    return moments_scale(images) if kind == "moments" else noise_scale(images, noise_model)


def moments_scale(images: Sequence[Tensor]) -> Scale:
    """Return the published scale: mean and standard deviation of all finite pixels, ADU.

    Raises ImageUnsuitableError if there are too few.
    """
    finite = _finite(images)
    count = sum(values.numel() for values in finite)
    mean = sum(float(values.sum()) for values in finite) / count
    variance = sum(float((values - mean).square().sum()) for values in finite) / count
    # For a constant image any scale will do.
    return Scale(mean, math.sqrt(variance) or 1.0)


def noise_scale(images: Sequence[Tensor], noise_model: NoiseModel | None = None) -> Scale:
    """Return a scale in units of the noise, that of the noise model or measured on the images (H, W), ADU.

    Its centre is the median, its spread that of the mean absolute deviation: one bright object hardly moves
    them. Raises ImageUnsuitableError if there are too few finite pixels.
    """
    units = (scale := scale_of_noise(images, noise_model)).noise_units(_some_pixels(images))
    centre = float(units.median())
    spread = float((units - centre).abs().mean()) * math.sqrt(math.pi / 2)
    return replace(scale, centre=centre, spread=spread or 1.0)


def scale_of_noise(images: Sequence[Tensor], noise_model: NoiseModel | None = None) -> Scale:
    """Return the same scale as it is, with its origin as the centre and a spread of one."""
    _require_pixels(sum(int(image.isfinite().sum()) for image in images))
    line = _noise_line(images) if noise_model is None else _line_of(noise_model, _some_pixels(images))
    return replace(line or moments_scale([_some_pixels(images)]), centre=0.0, spread=1.0)


def _some_pixels(images: Sequence[Tensor]) -> Tensor:
    finite = [image[image.isfinite()] for image in images]
    _require_pixels(sum(values.numel() for values in finite))
    steps = [max(len(finite) * values.numel() // _MAX_PIXELS, 1) for values in finite]
    return torch.cat([values[::step].double() for values, step in zip(finite, steps, strict=True)])


def scale_of_signals(scale: Scale, observations: Sequence[Tensor], signals: Sequence[Tensor]) -> Scale:
    """Return the scale of ground truth, which is a linear function of the signals in the observations.

    It is that of the observations, as far as such a function is found, else that of the moments. Raises
    ImageUnsuitableError if few pixels are finite.
    """
    moments = moments_scale(signals)
    if scale.curve is None:
        return moments
    usable = [one.isfinite() & other.isfinite() for one, other in zip(observations, signals, strict=True)]
    observation, signal = (
        torch.cat([image[known].double() for image, known in zip(images, usable, strict=True)])
        for images in (observations, signals)
    )
    # Means over pixels of like signal are free of noise.
    bins = [part for part in signal.argsort().tensor_split(_BINS) if part.numel()]
    level, clean = (
        np.array([float(values[part].mean()) for part in bins]) for values in (observation, signal)
    )
    slope, offset = _weighted_line(clean, level, 1 / scale.noise_adu(torch.from_numpy(level)).numpy() ** 2)
    return scale.of_line(-offset / slope, 1 / slope) if slope > 0 else moments


def _finite(images: Sequence[Tensor]) -> list[Tensor]:
    finite = [image[image.isfinite()].double() for image in images]
    _require_pixels(sum(values.numel() for values in finite))
    return finite


def _require_pixels(count: int) -> None:
    if count < MIN_PIXELS:
        raise ImageUnsuitableError(
            f"{count} pixels of the images hold a measurement, but training needs {MIN_PIXELS}; use larger "
            "images"
        )


def _line_of(noise_model: NoiseModel, signals_adu: Tensor) -> Scale | None:
    level = torch.quantile(signals_adu[:: max(signals_adu.numel() // (1 << 20), 1)], _bin_centres())
    variance = noise_model.to(level.device, torch.float64).variance_adu2(level)
    return _fitted(level.numpy(), variance.numpy())


def _bin_centres() -> Tensor:
    return (torch.arange(_BINS, dtype=torch.float64) + 0.5) / _BINS


def _noise_line(images: Sequence[Tensor]) -> Scale | None:
    """Measure the noise in the highest spatial frequencies, against the local mean; None without noise."""
    levels, squares = [], []
    for image in images:
        level, square = _residuals(torch.from_numpy(middle_window(image.numpy(), _WINDOW_PX)))
        step = max(len(images) * level.numel() // _MAX_PIXELS, 1)
        levels.append(level[::step])
        squares.append(square[::step])
    level, square = torch.cat(levels), torch.cat(squares)
    order = level.argsort()
    bins = [part for part in order.tensor_split(_BINS) if part.numel()]
    variance = [_trimmed_mean(square[part]) for part in bins]
    return _fitted(np.array([float(level[part].mean()) for part in bins]), np.array(variance))


def _residuals(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and squared third difference along both axes of all finite squares of 4 x 4 pixels."""
    if min(image.shape) < _SUPPORT_PX:
        return image.new_zeros(0), image.new_zeros(0)
    # Rows by rows: of a large plane each array takes as much memory as a network's tile.
    starts = range(0, image.shape[0] - _SUPPORT_PX + 1, _ROWS)
    parts = [_residuals_of_rows(image[start : start + _ROWS + _SUPPORT_PX - 1].double()) for start in starts]
    levels, squares = zip(*parts, strict=True)
    return torch.cat(levels), torch.cat(squares)


def _residuals_of_rows(image: Tensor) -> tuple[Tensor, Tensor]:
    # As a convolution it would take 16 times the memory of the image.
    residual = image.diff(n=3, dim=0).diff(n=3, dim=1) / 20
    level = functional.avg_pool2d(image[None, None], _SUPPORT_PX, stride=1)[0, 0]
    finite = residual.isfinite()
    return level[finite], residual[finite].square()


def _trimmed_mean(square: Tensor) -> float:
    kept = square.sort().values[: max(math.ceil(_KEPT * square.numel()), 1)]
    return float(kept.mean()) / _KEPT_VARIANCE or float(square.mean())


def _fitted(level_adu: FloatArray, variance_adu2: FloatArray) -> Scale | None:
    """Fit a line of positive slope to variances, which are uncertain in proportion to themselves."""
    if level_adu.size == 0 or not (variance_adu2 > 0).any():
        return None
    floor = float(variance_adu2[variance_adu2 > 0].min())
    above = level_adu - level_adu[0]
    at_origin, gain = float(np.median(variance_adu2)), 0.0
    for _ in range(_ROUNDS):
        expected = np.maximum(at_origin + gain * above, floor)
        # Weighed down where far above the line: there is structure in it.
        weight = 1 / (expected * np.maximum(expected, variance_adu2))
        slope, at_origin = _weighted_line(above, variance_adu2, weight)
        gain = max(slope, 0.0)
        at_origin += (slope - gain) * float(np.average(above, weights=weight))
    least = max(_LEAST_SHARE * float(variance_adu2[0]), floor * _LEAST_SHARE, _PHOTON_SHARE * gain**2)
    return Scale(float(level_adu[0]), math.sqrt(max(at_origin, least)), gain)


def _weighted_line(x: FloatArray, y: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """Return slope (0 for a single x) and value at 0 of the line with the least weighted square error."""
    mean_x, mean_y = (float(np.average(each, weights=weight)) for each in (x, y))
    square = float(np.average((x - mean_x) ** 2, weights=weight))
    product = float(np.average((x - mean_x) * (y - mean_y), weights=weight))
    slope = product / square if square > 0 else 0.0
    return slope, mean_y - slope * mean_x
