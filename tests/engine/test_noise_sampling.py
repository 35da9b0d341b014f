"""Observations drawn from a noise model follow its distribution."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.noise.models.histogram import HistogramCounts, HistogramNoiseModel
from worker.engine.noise.models.kinds import AnyNoiseModel

DRAWS = 20_000


def _mixture() -> GaussianMixtureNoiseModel:
    """Return two Gaussians far apart, wider and less equal towards the bright end."""
    weights = [[-20.0, -10.0], [30.0, 10.0], [3.0, 1.0], [4.0, 2.0], [0.0, 1.0], [0.0, 0.0]]
    return GaussianMixtureNoiseModel(torch.tensor(weights, dtype=torch.float64), 100.0, 500.0, 1.0)


def _histogram() -> AnyNoiseModel:
    """Return a histogram of skewed noise: photons of 4 ADU."""
    random = np.random.default_rng(0)
    signal = random.uniform(100, 500, 400_000)
    observation = 4 * random.poisson((signal - 80) / 4) + 80.0
    counts = HistogramCounts(min_adu=0.0, max_adu=800.0, step_adu=4.0, bins=201)
    counts.add(observation, signal)
    return counts.model()


@pytest.mark.parametrize("make", [_mixture, _histogram])
@pytest.mark.parametrize("signal_adu", [120.0, 310.0, 450.0])
def test_observations_have_mean_variance_and_distribution_of_the_model(
    make: Callable[[], AnyNoiseModel], signal_adu: float
) -> None:
    model = make()
    signal = torch.full((DRAWS,), signal_adu, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    observation = model.sample(signal, generator)
    variance_adu2 = float(model.variance_adu2(signal[:1])[0])
    assert float(observation.mean()) == pytest.approx(signal_adu, abs=5 * math.sqrt(variance_adu2 / DRAWS))
    assert float(observation.var()) == pytest.approx(variance_adu2, rel=0.05)
    # A histogram's observations are the centres of its bins.
    width_adu = model.bin_width_adu if isinstance(model, HistogramNoiseModel) else 0.0
    anywhere = observation + width_adu * (torch.rand(DRAWS, generator=generator) - 0.5)
    assert stats.kstest(model.cumulative(anywhere, signal).numpy(), "uniform").statistic < 0.02


@pytest.mark.parametrize("make", [_mixture, _histogram])
def test_the_same_generator_gives_the_same_observations(make: Callable[[], AnyNoiseModel]) -> None:
    model = make().to("cpu", torch.float32)
    signal = torch.linspace(100, 500, 600).view(20, 30)
    first, second = (model.sample(signal, torch.Generator().manual_seed(3)) for _ in range(2))
    other = model.sample(signal, torch.Generator().manual_seed(4))
    assert first.shape == signal.shape
    assert first.dtype == torch.float32
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_signals_beyond_the_fitted_range_get_the_noise_of_its_end() -> None:
    model = _mixture()
    far = torch.full((DRAWS,), 2_000.0, dtype=torch.float64)
    observation = model.sample(far, torch.Generator().manual_seed(1))
    spread = math.sqrt(float(model.variance_adu2(far[:1])[0]))
    assert float(observation.mean()) == pytest.approx(2_000, abs=0.05 * spread)
    assert float(observation.std()) == pytest.approx(spread, rel=0.05)
