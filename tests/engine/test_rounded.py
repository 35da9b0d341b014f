"""Prediction with convolutions in bfloat16: as good as in float32, where it is used."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.tiny_training import CPU
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import packaged_network
from worker.engine.networks.rounded import rounded
from worker.engine.networks.unet import UNet, UNetShape
from worker.engine.prediction import inference
from worker.engine.prediction.inference import predict_plane
from worker.engine.simulation import simulate_specimen
from worker.engine.stages.pretrained import UncertainEstimate, estimate_with_uncertainty, network_for

SHAPE_YX = (96, 112)


@pytest.fixture
def reduced(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Have the processor compute in bfloat16, emulated if need be."""
    monkeypatch.setattr(inference, "has_bfloat16", lambda _: True)
    return monkeypatch


def _network_and_plane(photons: float) -> tuple[Network, np.ndarray]:
    signal = photons * simulate_specimen(SHAPE_YX, seed=3) + 1
    plane = (100 + 2 * np.random.default_rng(0).poisson(signal)).astype(np.float32)
    return network_for(packaged_network(), None, plane), plane


def _uncertain(network: Network, plane: np.ndarray) -> UncertainEstimate:
    return estimate_with_uncertainty(network, plane, device=CPU, symmetries=2)


@pytest.mark.parametrize("photons", [3.0, 100.0, 10_000.0])
def test_rounding_moves_estimates_by_less_than_a_hundredth_of_the_noise(
    photons: float, reduced: pytest.MonkeyPatch
) -> None:
    network, plane = _network_and_plane(photons)
    found = _uncertain(network, plane)
    reduced.setattr(inference, "has_bfloat16", lambda _: False)
    exact = _uncertain(network, plane)
    noise = network.scale.noise_adu(torch.from_numpy(exact.signal_yx)).numpy()
    moved = (found.signal_yx - exact.signal_yx) / noise
    assert 0 < np.sqrt(np.mean(moved**2)) < 0.01
    assert abs(moved.mean()) < 0.001
    # Derivatives scatter with the signs of the perturbations, which mirroring changes, more than by rounding.
    assert found.copied_yx.mean() == pytest.approx(exact.copied_yx.mean(), rel=0.03)
    mirrored = _uncertain(network, plane[::-1].copy()).copied_yx[::-1]
    by_rounding, by_signs = (np.std(other - exact.copied_yx) for other in (found.copied_yx, mirrored))
    assert by_rounding < by_signs / 3


@pytest.mark.usefixtures("reduced")
def test_networks_that_predict_the_signal_itself_stay_in_float32() -> None:
    network, plane = _network_and_plane(30)
    model = UNet(UNetShape(features=4, depth=2, outputs=1)).initialise(torch.Generator().manual_seed(0))
    plain = replace(network, model=model.requires_grad_(requires_grad=False).eval())
    exact = plain.model.features(plain.scale.normalise(torch.from_numpy(plane))[None, None])
    outputs = plain.outputs_adu(exact[0].permute(1, 2, 0))[..., 0].numpy()
    found = predict_plane(plain, plane, device=CPU, symmetries=1).prior_mean_yx
    np.testing.assert_allclose(found, outputs, rtol=1e-5)


def test_rounding_leaves_the_network_itself_as_it_is() -> None:
    model = packaged_network().model
    before = {name: values.clone() for name, values in model.state_dict().items()}
    rounded(model)
    for name, values in model.state_dict().items():
        assert values.dtype == torch.float32
        assert torch.equal(values, before[name])


def test_a_network_that_learns_on_is_rounded_as_it_is_now() -> None:
    model = UNet(UNetShape(features=4, depth=2, outputs=1)).initialise(torch.Generator().manual_seed(0))
    name = "down.1.0.weight"
    first = rounded(model).state_dict()[name]
    with torch.no_grad():
        dict(model.named_parameters())[name].add_(1.0)
    assert not torch.equal(first, rounded(model).state_dict()[name])


def test_a_network_whose_training_has_ended_is_rounded_once() -> None:
    model = packaged_network().model
    assert rounded(model) is rounded(model)


def test_symmetries_may_be_predicted_apart() -> None:
    network, plane = _network_and_plane(30)
    first, others, whole = (
        predict_plane(network, plane, device=CPU, symmetries=which).prior_mean_yx
        for which in (1, range(1, 6), 6)
    )
    np.testing.assert_allclose((first + 5 * others) / 6, whole, rtol=1e-5)
