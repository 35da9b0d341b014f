"""Losses and estimates compared with the published code and with formulas."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from worker.engine.networks.prior import WeightedSamples
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.prediction.posterior import posterior_moments
from worker.engine.training.losses import n2v_loss, pn2v_loss


def _published_model(path: Path) -> GaussianMixtureNoiseModel:
    with np.load(path) as content:
        return GaussianMixtureNoiseModel(
            weights=torch.from_numpy(content["trained_weight"]).double(),
            signal_min_adu=float(content["min_signal"][0]),
            signal_max_adu=float(content["max_signal"][0]),
            variance_floor_adu2=float(content["min_sigma"]),
            extrapolate=True,
        )


def test_loss_and_mmse_equal_the_published_code(golden: Path) -> None:
    with np.load(golden / "ppn2v_loss_and_mmse.npz") as content:
        model = _published_model(golden / str(content["noise_model"]))
        samples = torch.from_numpy(content["samples"]).double().flatten(1).T
        observation = torch.from_numpy(content["observation"]).double().flatten()
        masked = torch.from_numpy(content["mask"]).flatten() > 0
        loss = pn2v_loss(WeightedSamples.equal(samples[masked]), observation[masked], model)
        assert loss.item() == pytest.approx(float(content["pn2v_loss"]), rel=1e-6)
        mmse = posterior_moments(WeightedSamples.equal(samples), observation, model)[0].numpy()
        np.testing.assert_allclose(mmse, content["mmse"].flatten(), rtol=1e-5)


def test_n2v_loss_is_the_squared_error_over_the_variance() -> None:
    prediction, observation = torch.tensor([1.0, 5.0]), torch.tensor([3.0, 5.0])
    assert n2v_loss(prediction, observation, std_adu=2.0).item() == pytest.approx(0.5)


def _constant_noise(variance_adu2: float) -> GaussianMixtureNoiseModel:
    weights = torch.tensor([[0.0], [math.log(variance_adu2)], [0.0]], dtype=torch.float64)
    return GaussianMixtureNoiseModel(weights, 0.0, 1000.0, 1e-3)


def test_posterior_of_gaussian_prior_and_noise_is_the_product_of_both() -> None:
    quantiles = (torch.arange(4000).double() + 0.5) / 4000
    samples = 500.0 + 20.0 * torch.special.ndtri(quantiles)[None]
    mmse, prior_mean, variance = posterior_moments(
        WeightedSamples.equal(samples), torch.tensor([530.0]).double(), _constant_noise(100.0)
    )
    gain = 400 / (400 + 100)
    assert mmse.item() == pytest.approx(500 + gain * 30, abs=0.1)
    assert prior_mean.item() == pytest.approx(500, abs=1e-3)
    assert variance.item() == pytest.approx(gain * 100, rel=0.01)


@pytest.mark.parametrize("observation", [1e6, -1e6, math.nan, math.inf])
def test_impossible_observations_leave_the_estimate_among_the_samples(observation: float) -> None:
    samples = torch.linspace(90, 110, 50)[None]
    model = _constant_noise(4.0).to("cpu", torch.float32)
    mmse, prior_mean, variance = posterior_moments(
        WeightedSamples.equal(samples), torch.tensor([observation]), model
    )
    assert 90 <= mmse.item() <= 110
    assert prior_mean.item() == pytest.approx(100)
    assert math.isfinite(variance.item())
    if not math.isfinite(observation):
        assert mmse.item() == pytest.approx(100)


def test_loss_of_far_samples_stays_finite_and_pulls_them_back() -> None:
    samples = torch.full((3, 10), 1e5).requires_grad_()
    noise_model = _constant_noise(4.0).to("cpu", torch.float32)
    loss = pn2v_loss(WeightedSamples.equal(samples), torch.full((3,), 100.0), noise_model)
    loss.backward()  # type: ignore[no-untyped-call]
    assert math.isfinite(loss.item())
    assert samples.grad is not None
    assert bool((samples.grad > 0).all())
