"""Plot of a noise model: distribution of observation minus signal, for each signal."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models_store.contracts.noise_models import GmmParameters, HistogramParameters
from models_store.contracts.packed_probabilities import unpack
from models_store.noise_model_files.moments import mixture_components

FloatArray = NDArray[np.float64]

_SIDE_PX = 400
_LEFT_PX, _TOP_PX, _RIGHT_PX, _BOTTOM_PX = 70, 30, 20, 40
_WHITE, _BLACK = 255, 0
# Share of observations beyond either end of the plot, at the noisiest signal.
_TAIL_SHARE = 0.002


def noise_model_png(parameters: GmmParameters | HistogramParameters) -> bytes:
    """Return an 8-bit PNG with the signal along x and observation minus signal along y (ADU).

    Likelier observations are darker; the likeliest one of each signal is black.
    """
    signal = np.linspace(parameters.signal_min_adu, parameters.signal_max_adu, _SIDE_PX)
    with np.errstate(all="ignore"):
        # Polynomials of an imported file may overflow.
        density, reach_adu = (
            _histogram_density(parameters, signal)
            if isinstance(parameters, HistogramParameters)
            else _mixture_density(parameters, signal)
        )
        relative = np.nan_to_num(density / density.max(axis=0))
    picture = Image.new("L", (_LEFT_PX + _SIDE_PX + _RIGHT_PX, _TOP_PX + _SIDE_PX + _BOTTOM_PX), _WHITE)
    picture.paste(
        Image.fromarray(np.rint(_WHITE * (1 - relative[::-1])).astype(np.uint8)), (_LEFT_PX, _TOP_PX)
    )
    _draw_axes(ImageDraw.Draw(picture), parameters, reach_adu)
    content = io.BytesIO()
    picture.save(content, format="PNG")
    return content.getvalue()


def _mixture_density(parameters: GmmParameters, signal: FloatArray) -> tuple[FloatArray, float]:
    """Return the density (deviation, signal) and the maximum deviation."""
    weight, mean, std = mixture_components(parameters, signal)
    reach_adu = _finite(float((3 * np.sqrt((weight * (std**2 + mean**2)).sum(axis=0))).max()))
    deviation = np.linspace(-reach_adu, reach_adu, _SIDE_PX)[:, None, None]
    return (weight / std * np.exp(-0.5 * ((deviation - mean) / std) ** 2)).sum(axis=1), reach_adu


def _histogram_density(parameters: HistogramParameters, signal: FloatArray) -> tuple[FloatArray, float]:
    """Return the probability (deviation, signal) of each deviation's bin, and the maximum deviation."""
    bins = parameters.bins
    width = (parameters.signal_max_adu - parameters.signal_min_adu) / bins
    probabilities = unpack(parameters.probabilities, bins).astype(np.float64)
    below = probabilities.cumsum(axis=1)
    low, high = (below > _TAIL_SHARE).argmax(axis=1), (below >= 1 - _TAIL_SHARE).argmax(axis=1)
    seen = below[:, -1] > 0.5  # noqa: PLR2004  # rows sum to 1 or 0; unseen signals stay white
    probabilities[~seen] = 0.0
    row = np.arange(bins)
    reach_adu = width * (1 + float(np.maximum(row - low, high - row)[seen].max()))
    deviation = np.linspace(-reach_adu, reach_adu, _SIDE_PX)[:, None]
    index = ((signal - parameters.signal_min_adu) / width).astype(np.int64).clip(0, bins - 1)
    column = np.rint(index + deviation / width).astype(np.int64)
    inside = (column >= 0) & (column < bins)
    return np.where(inside, probabilities[index, column.clip(0, bins - 1)], 0.0), reach_adu


def _finite(reach_adu: float) -> float:
    return reach_adu if 0 < reach_adu < np.inf else 1.0


def _draw_axes(
    draw: ImageDraw.ImageDraw, parameters: GmmParameters | HistogramParameters, reach_adu: float
) -> None:
    right, bottom = _LEFT_PX + _SIDE_PX, _TOP_PX + _SIDE_PX
    middle_x, middle_y = (_LEFT_PX + right) // 2, (_TOP_PX + bottom) // 2
    draw.rectangle((_LEFT_PX - 1, _TOP_PX - 1, right, bottom), outline=_BLACK)
    draw.line((_LEFT_PX, middle_y, right, middle_y), fill=180)
    texts = {
        (middle_x, 15, "mm"): f"{parameters.kind} noise model: observation minus signal (ADU)",
        (_LEFT_PX - 6, _TOP_PX, "rm"): f"{reach_adu:+.4g}",
        (_LEFT_PX - 6, middle_y, "rm"): "0",
        (_LEFT_PX - 6, bottom, "rm"): f"{-reach_adu:+.4g}",
        (_LEFT_PX, bottom + 15, "mm"): f"{parameters.signal_min_adu:.4g}",
        (middle_x, bottom + 15, "mm"): "signal (ADU)",
        (right, bottom + 15, "mm"): f"{parameters.signal_max_adu:.4g}",
    }
    for (x, y, anchor), text in texts.items():
        draw.text((x, y), text, fill=_BLACK, anchor=anchor)
