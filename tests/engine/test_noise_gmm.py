"""The Gaussian mixture noise model: published values, limits, gradients."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from worker.engine.errors import NoiseModelInvalidError
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel


def mixture(**changes: Any) -> GaussianMixtureNoiseModel:  # any field
    """Return a mixture of two components: a narrow one and a broad, shifted one."""
    weights = torch.tensor(
        [[-4.0, 2.0], [9.0, -3.0], [1.0, 4.0], [3.0, 5.0], [0.5, -0.2], [-0.7, 0.4]], dtype=torch.float64
    )
    fields = {"signal_min_adu": 100.0, "signal_max_adu": 900.0, "variance_floor_adu2": 2.0} | changes
    return GaussianMixtureNoiseModel(weights=weights, **fields)


@pytest.mark.parametrize("name", ["K1_n2", "K3_n2", "K3_n3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_likelihoods_equal_those_of_the_published_code(golden: Path, name: str, dtype: torch.dtype) -> None:
    published = np.load(golden / f"ppn2v_gmm_{name}.npz")
    expected = np.load(golden / f"ppn2v_gmm_{name}_likelihood.npz")
    model = GaussianMixtureNoiseModel(
        weights=torch.from_numpy(published["trained_weight"]),
        signal_min_adu=float(published["min_signal"][0]),
        signal_max_adu=float(published["max_signal"][0]),
        variance_floor_adu2=float(published["min_sigma"]),
        outlier_density_per_adu=1e-10,
        extrapolate=True,
    ).to("cpu", dtype)
    observation, signal = (torch.from_numpy(expected[key]).to(dtype) for key in ("observation", "signal"))
    likelihood = model.log_likelihood(observation, signal).exp()
    np.testing.assert_allclose(likelihood.numpy(), expected["likelihood"], rtol=1e-4)


def test_density_integrates_to_one_and_is_centred_on_the_signal() -> None:
    model = mixture()
    observation = torch.linspace(0, 1000, 20001, dtype=torch.float64)[:, None]
    signal = torch.tensor([[250.0, 500.0, 700.0]], dtype=torch.float64)
    density = model.log_likelihood(observation, signal).exp() * 0.05
    torch.testing.assert_close(density.sum(0), torch.ones(3, dtype=torch.float64))
    mean = (density * observation).sum(0)
    torch.testing.assert_close(mean, signal[0])
    torch.testing.assert_close(
        (density * (observation - mean).square()).sum(0), model.variance_adu2(signal[0])
    )


def test_parameters_are_constant_outside_of_the_fitted_range() -> None:
    model = mixture()
    inside, outside = torch.tensor([100.0, 900.0]), torch.tensor([-5000.0, 70000.0])
    torch.testing.assert_close(model.variance_adu2(outside), model.variance_adu2(inside))
    torch.testing.assert_close(
        model.log_likelihood(outside + 3, outside),
        model.log_likelihood(inside + 3, inside),
        rtol=1e-3,
        atol=0,
    )
    assert mixture(extrapolate=True).variance_adu2(outside)[1] > 10 * model.variance_adu2(inside)[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("extrapolate", [False, True])
def test_the_likelihood_of_impossible_pairs_is_finite(dtype: torch.dtype, *, extrapolate: bool) -> None:
    model = mixture(extrapolate=extrapolate).to("cpu", dtype)
    values = torch.tensor([-65535.0, 0.0, 100.0, 65535.0, 1e6], dtype=dtype)
    signal = values[None, :].clone().requires_grad_()
    log_likelihood = model.log_likelihood(values[:, None], signal)
    (gradient,) = torch.autograd.grad(log_likelihood.sum(), signal)
    assert torch.isfinite(log_likelihood).all()
    assert torch.isfinite(gradient).all()


def test_an_outlier_density_bounds_how_impossible_a_pair_can_be() -> None:
    model = mixture(outlier_density_per_adu=1e-6)
    far = model.log_likelihood(torch.tensor(60000.0), torch.tensor(300.0))
    assert far.item() == pytest.approx(math.log(1e-6))


def test_float32_agrees_with_float64() -> None:
    signal = torch.linspace(50, 950, 300, dtype=torch.float64)
    observation = torch.linspace(0, 1000, 200, dtype=torch.float64)[:, None]
    exact = mixture().log_likelihood(observation, signal)
    single = mixture().to("cpu", torch.float32).log_likelihood(observation.float(), signal.float())
    torch.testing.assert_close(single.double(), exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("changes", [{}, {"extrapolate": True}, {"outlier_density_per_adu": 1e-4}])
def test_the_gradient_is_that_of_the_likelihood(changes: dict[str, Any]) -> None:
    model = mixture(**changes)
    observation = torch.tensor([[90.0], [300.0], [880.0]], dtype=torch.float64)
    signal = torch.tensor([[85.0, 290.0, 430.0, 870.0, 950.0]], dtype=torch.float64, requires_grad=True)

    def likelihood(value: Tensor) -> Tensor:
        return model.log_likelihood(observation, value)

    assert torch.autograd.gradcheck(likelihood, (signal,))


def test_parameters_can_be_restored_from_json() -> None:
    model = mixture(outlier_density_per_adu=1e-7)
    again = GaussianMixtureNoiseModel.from_parameters(json.loads(json.dumps(model.parameters())))
    signal = torch.linspace(0, 1000, 50, dtype=torch.float64)
    assert torch.equal(again.log_likelihood(signal + 7, signal), model.log_likelihood(signal + 7, signal))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "histogram"}, "expected 'gmm'"),
        ({"weights": [[1.0, 2.0]]}, "expected \\(3K, n\\)"),
        ({"weights": [[1.0], [float("nan")], [0.0]]}, "finite"),
        ({"weights": "many"}, "wrong type"),
        ({"weights": [[0.0] * 99] * 3}, "at most"),
        ({"signal_max_adu": 100.0}, "not empty"),
        ({"variance_floor_adu2": 0.0}, "positive"),
        ({"outlier_density_per_adu": -1}, "outlier density"),
    ],
)
def test_invalid_parameters_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(NoiseModelInvalidError, match=message) as caught:
        GaussianMixtureNoiseModel.from_parameters(mixture().parameters() | changes)
    assert caught.value.code == "noise-model-invalid"


def test_a_missing_parameter_is_named() -> None:
    parameters = mixture().parameters()
    del parameters["signal_min_adu"]
    with pytest.raises(NoiseModelInvalidError, match="without 'signal_min_adu'"):
        GaussianMixtureNoiseModel.from_parameters(parameters)
