"""Even fields, faint specimens and sparse spots: errors with and without detail that noise explains."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from worker.engine.networks.pretrained import packaged_network
from worker.engine.prediction.inference import predict_plane
from worker.engine.simulation import simulate_specimen
from worker.engine.stages.pretrained import estimate_alone, network_for

_CPU = torch.device("cpu")
_SHAPE_YX = (256, 256)
_BACKGROUND = 100.0
_SPOTS, _SPOT_SIGMA_PX, _MARGIN_PX = 12, 1.5, 20

Image = NDArray[np.float64]


@dataclass(frozen=True)
class Error:
    """Root mean square errors in standard deviations of the background's noise."""

    name: str
    predicted: float
    reduced: float


def light() -> Iterator[tuple[str, Image]]:
    """Yield names and photons (Y, X)."""
    for photons in (3, _BACKGROUND, 1000):
        yield f"even, {photons:g} photons", np.full(_SHAPE_YX, float(photons))
    specimen = simulate_specimen(_SHAPE_YX, seed=5)
    for photons in (4, 8, 16, 32):
        yield f"specimen of {photons} on {_BACKGROUND:g} photons", _BACKGROUND + photons * specimen
    spots = _spots()
    for photons in (15, 40, 80):
        yield f"{_SPOTS} spots of {photons} on {_BACKGROUND:g} photons", _BACKGROUND + photons * spots


def measure() -> Iterator[Error]:
    """Denoise light under Poisson noise as the preset `instant` does, and by the network alone."""
    for name, light_yx in light():
        observation_yx = np.random.default_rng(1).poisson(light_yx).astype(np.float32)
        network = network_for(packaged_network(), None, observation_yx)
        predicted_yx = predict_plane(network, observation_yx, device=_CPU).prior_mean_yx
        reduced_yx = estimate_alone(network, observation_yx, device=_CPU)
        noise = float(np.median(light_yx)) ** 0.5
        errors = (float(np.sqrt(np.mean((yx - light_yx) ** 2))) / noise for yx in (predicted_yx, reduced_yx))
        yield Error(name, *errors)


def table(errors: list[Error]) -> Table:
    """Render the errors, and what the reduction gains."""
    rendered = Table(
        "light",
        "network",
        "delivered",
        "gain, dB",
        title="RMSE, standard deviations of the background's noise",
    )
    for each in errors:
        gain_db = 20 * np.log10(each.predicted / each.reduced)
        rendered.add_row(each.name, f"{each.predicted:.3f}", f"{each.reduced:.3f}", f"{gain_db:+.1f}")
    return rendered


def _spots() -> Image:
    """Return the relative light of Gaussian spots at random places."""
    y, x = np.mgrid[: _SHAPE_YX[0], : _SHAPE_YX[1]]
    places = np.random.default_rng(0).uniform(_MARGIN_PX, _SHAPE_YX[0] - _MARGIN_PX, (_SPOTS, 2))
    return np.asarray(
        sum(np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * _SPOT_SIGMA_PX**2)) for row, column in places)
    )
