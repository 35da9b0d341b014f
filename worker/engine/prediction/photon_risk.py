"""Unbiased risk estimates for blind-spot networks under Poisson-Gaussian noise; no ground truth needed."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from worker.engine.noise.models.likelihood import NoiseModel

Image = NDArray[Any]
Name = TypeVar("Name", bound=str)

_SIGNALS = 256
_PROBE_STEP = 0.1
"""Step of the finite differences, in standard deviations of the noise."""


def photon_risks(
    observation_yx: Image,
    estimates: Callable[[Image], Mapping[Name, Image]],
    prior_mean_yx: Image,
    noise_model: NoiseModel,
    usable: NDArray[np.bool_],
) -> dict[Name, float]:
    """Return the estimated mean squared error (ADU^2) of each estimate over the `usable` pixels.

    `estimates` computes the estimates with other observations in the likelihood; the networks' input remains
    `observation_yx`. The error is the mean of f^2 - 2 s f + s^2. For k photons of mean n, E[n f(k)] =
    E[k f(k - 1)] (Hudson 1978), and for Gaussian noise r of variance v, E[r f(r)] = v E[f'(r)] (Stein 1981):
    E[s f] follows from the estimates with all observations one photon darker.
    """
    noise = _PhotonNoise.of(noise_model, prior_mean_yx[usable].astype(np.float64))
    photons_adu = observation_yx.astype(np.float64) - noise.dark_adu
    unchanged = estimates(observation_yx)
    above, below = (
        estimates((observation_yx - noise.photon_adu + step_adu).astype(np.float32))
        for step_adu in (noise.step_adu, -noise.step_adu)
    )
    risks: dict[Name, float] = {}
    for name, estimate in unchanged.items():
        # The prior mean does not depend on the observation, so E[s m] = E[x m] for it.
        own, own_above, own_below = (
            image[name].astype(np.float64) - prior_mean_yx for image in (unchanged, above, below)
        )
        slope = (own_above - own_below) / (2 * noise.step_adu)
        product = photons_adu * (own_above + own_below) / 2 - noise.read_adu2 * slope + noise.dark_adu * own
        product += observation_yx * prior_mean_yx
        observation_squared = observation_yx.astype(np.float64) ** 2
        signal_squared = observation_squared - noise.photon_adu * photons_adu - noise.read_adu2
        risk = estimate.astype(np.float64) ** 2 - 2 * product + signal_squared
        risks[name] = float(risk[usable].sum()) / max(int(usable.sum()), 1)
    return risks


@dataclass(frozen=True)
class _PhotonNoise:
    """Linear noise variance: `read_adu2` plus `photon_adu` per ADU of signal above `dark_adu`."""

    photon_adu: float
    dark_adu: float
    read_adu2: float
    step_adu: float

    @classmethod
    def of(cls, noise_model: NoiseModel, signal_adu: NDArray[np.float64]) -> "_PhotonNoise":
        """Fit a line over the signals that occur, attributing as much of the noise as possible to photons."""
        signal = np.quantile(signal_adu, (np.arange(_SIGNALS) + 0.5) / _SIGNALS)
        variance = noise_model.variance_adu2(torch.from_numpy(signal)).numpy()
        mean_adu, variance_adu2 = float(signal.mean()), float(variance.mean())
        slope = float(np.polyfit(signal, variance, 1, w=1 / variance)[0]) if np.ptp(signal) > 0 else 0.0
        photon_adu = max(slope, 0.0)
        # A line of small slope crosses zero far below all signals; the remainder is Gaussian noise.
        darkest_adu = float(signal[0])
        nearest_adu = 2 * darkest_adu - mean_adu
        if variance_adu2 < photon_adu * (mean_adu - nearest_adu):
            dark_adu = min(mean_adu - variance_adu2 / photon_adu, darkest_adu)
        else:
            dark_adu = nearest_adu
        return cls(
            photon_adu=photon_adu,
            dark_adu=dark_adu,
            read_adu2=max(variance_adu2 - photon_adu * (mean_adu - dark_adu), 0.0),
            step_adu=_PROBE_STEP * math.sqrt(variance_adu2),
        )
