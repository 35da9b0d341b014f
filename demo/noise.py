"""Camera parameters derived from a fitted noise model."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.offline.report import LinearNoise


@dataclass(frozen=True)
class FittedLine:
    """The photon transfer line of a noise model: variance = gain * signal + intercept."""

    gain_adu: float
    intercept_adu2: float

    def read_noise_adu(self, offset_adu: float) -> float:
        """Return the read noise given the offset: an image alone determines only their combination."""
        return math.sqrt(max(self.gain_adu * offset_adu + self.intercept_adu2, 0.0))

    def offset_adu(self, read_noise_adu: float) -> float:
        """Return the offset given the read noise."""
        return (read_noise_adu**2 - self.intercept_adu2) / self.gain_adu


def fit_line(model: GaussianMixtureNoiseModel, signal_yx: NDArray[np.floating]) -> FittedLine:
    """Fit a line to the model's variance at the image's signals within the model's valid range."""
    in_range = (signal_yx > model.signal_min_adu) & (signal_yx < model.signal_max_adu)
    signal_adu = signal_yx[in_range].astype(np.float64)
    variance_adu2 = model.variance_adu2(torch.from_numpy(signal_adu)).numpy()
    gain_adu, intercept_adu2 = np.polyfit(signal_adu, variance_adu2, 1)
    return FittedLine(float(gain_adu), float(intercept_adu2))


def compare(line: FittedLine, true: LinearNoise) -> list[tuple[str, float, float]]:
    """Return rows of (quantity, true, fitted)."""
    return [
        ("gain (ADU per photoelectron)", true.gain_adu, line.gain_adu),
        ("read noise (ADU), given the offset", true.read_noise_adu, line.read_noise_adu(true.offset_adu)),
        ("offset (ADU), given the read noise", true.offset_adu, line.offset_adu(true.read_noise_adu)),
    ]
