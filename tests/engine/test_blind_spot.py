"""Blind-spot networks: receptive fields, priors, training and risk."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.all_stages import run_all_stages
from tests.support.tiny_training import CPU, SKEWED_NOISE, MemoryCheckpoints, StoppedError, specimen
from worker.engine.errors import NetworkInvalidError
from worker.engine.networks.blind_spot import BlindSpotNet, BlindSpotShape
from worker.engine.networks.checkpoint import deserialise, serialise
from worker.engine.networks.network import Network, TrainingMethod
from worker.engine.networks.prior import GaussianMixture, samples_of
from worker.engine.networks.scale import Scale
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.prediction.inference import predict_plane
from worker.engine.prediction.photon_risk import photon_risks
from worker.engine.prediction.posterior import posterior_moments
from worker.engine.stages.denoise import denoise_plane
from worker.engine.training.loop import TrainingStep, train
from worker.engine.training.losses import pn2v_loss
from worker.engine.training.presets import PRESETS, TrainingPreset

STD_ADU = 20.0
TINY: TrainingPreset = replace(
    PRESETS["fast"],
    architecture="blind-spot",
    gaussians=3,
    features=8,
    depth=3,
    patch_px=32,
    patches_per_step=8,
    patches_at_once=8,
    n2v_steps=20,
    pn2v_steps=20,
    distillation_steps=20,
    steps_per_validation=5,
    reduced_precision=False,
    symmetries=1,
)
NO_BLUR = torch.zeros(1)


def _model(depth: int = 3, blind_px: int = 0) -> BlindSpotNet:
    return BlindSpotNet(BlindSpotShape(6, depth, 9, blind_px)).initialise(torch.Generator().manual_seed(0))


def _network(depth: int = 3) -> Network:
    model = _model(depth).requires_grad_(requires_grad=False)
    return Network(model, "pn2v", "fast", 0, 0, Scale(150.0, STD_ADU), 1)


def _influence(model: BlindSpotNet, side_px: int, y: int, x: int) -> torch.Tensor:
    """Return the largest gradient, over random images, of a pixel's outputs with respect to each pixel."""
    influence = torch.zeros((side_px, side_px))
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        image = torch.randn((1, 1, side_px, side_px), generator=generator).requires_grad_()
        model(image)[0, :, y, x].square().sum().backward()
        assert image.grad is not None
        influence = torch.maximum(influence, image.grad[0, 0].abs())
    return influence


@pytest.mark.parametrize(("depth", "blind_px"), [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (3, 2)])
@pytest.mark.parametrize(("y", "x"), [(16, 16), (15, 16), (14, 17), (13, 11), (0, 31), (31, 7)])
def test_an_output_sees_all_pixels_around_but_not_its_own(depth: int, blind_px: int, y: int, x: int) -> None:
    influence = _influence(_model(depth, blind_px), 32, y, x)
    rows, columns = torch.meshgrid(torch.arange(32) - y, torch.arange(32) - x, indexing="ij")
    distance = torch.maximum(rows.abs(), columns.abs())
    assert bool((influence[distance <= blind_px] == 0).all())
    assert bool((influence[(distance > blind_px) & (distance <= blind_px + 2)] > 0).all())


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_reach_covers_the_receptive_field(depth: int) -> None:
    model = _model(depth, blind_px=1)
    shape = model.shape
    side_px = -(-2 * (shape.reach_px + 4) // shape.stride_px) * shape.stride_px
    seen = 0
    for centre in range(side_px // 2 - shape.stride_px, side_px // 2):
        rows, columns = _influence(model, side_px, centre, centre).nonzero(as_tuple=True)
        seen = max(seen, int((rows - centre).abs().max()), int((columns - centre).abs().max()))
    assert shape.reach_px - 3 * shape.stride_px <= seen <= shape.reach_px


@pytest.mark.parametrize(("height", "width"), [(200, 131), (33, 34), (5, 100), (3, 3)])
def test_a_tiled_result_equals_the_untiled_one(height: int, width: int) -> None:
    plane = np.random.default_rng(0).normal(150, STD_ADU, (height, width)).astype(np.float32)
    whole = predict_plane(_network(), plane, noise_model=SKEWED_NOISE, device=CPU, tile_px=1024)
    tiled = predict_plane(_network(), plane, noise_model=SKEWED_NOISE, device=CPU, tile_px=32)
    for name in ("mmse_yx", "prior_mean_yx", "posterior_std_yx"):
        expected, found = getattr(whole, name), getattr(tiled, name)
        assert found.shape == (height, width)
        assert np.abs(found - expected).max() < 1e-4 * STD_ADU
    alone = predict_plane(_network(), plane, device=CPU)
    np.testing.assert_allclose(alone.prior_mean_yx, whole.prior_mean_yx, atol=1e-3)


def test_rotating_the_image_swaps_the_features_of_the_half_planes() -> None:
    image = torch.randn((2, 1, 16, 24), generator=torch.Generator().manual_seed(0))
    model = _model().requires_grad_(requires_grad=False)
    window = slice(3, 15), slice(0, 24)
    for turn, (features,) in enumerate(model.turned_features(image, window, range(4))):
        turned = model.features(image.rot90(turn, dims=(2, 3))).rot90(-turn, dims=(2, 3))
        torch.testing.assert_close(features, turned[:, :, *window])


def test_weighted_samples_give_the_loss_and_the_estimates_of_an_integral() -> None:
    mixture = GaussianMixture(
        torch.tensor([[140.0, 155.0, 190.0], [80.0, 82.0, 85.0]], dtype=torch.float64),
        torch.tensor([[6.0, 3.0, 10.0], [2.0, 1.0, 4.0]], dtype=torch.float64),
        torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]], dtype=torch.float64).log(),
    )
    observation = torch.tensor([165.0, 70.0], dtype=torch.float64)
    grid = torch.linspace(20, 300, 200_001, dtype=torch.float64)
    prior = torch.stack(
        [mixture.log_density(value.expand(2), blur_adu2=NO_BLUR) for value in grid[::100]], dim=1
    )
    signal = grid[::100]
    joint = (prior + SKEWED_NOISE.log_likelihood(observation[:, None], signal.expand(2, -1))).exp()
    evidence = joint.sum(dim=1)
    mean = (joint * signal).sum(dim=1) / evidence
    variance = (joint * (signal - mean[:, None]) ** 2).sum(dim=1) / evidence

    samples = mixture.samples()
    loss = pn2v_loss(samples, observation, SKEWED_NOISE)
    step_adu = float(signal[1] - signal[0])
    assert loss.item() == pytest.approx(-(evidence * step_adu).log().mean().item(), abs=2e-3)
    moments = posterior_moments(samples, observation, SKEWED_NOISE)
    torch.testing.assert_close(moments[0], mean, atol=0.05, rtol=0)
    torch.testing.assert_close(moments[1], mixture.mean())
    torch.testing.assert_close(moments[2], variance, rtol=0.05, atol=0)


def test_the_density_of_a_mixture_adds_up_to_one_and_a_blur_widens_it() -> None:
    outputs = torch.tensor([[100.0, 120.0, math.log(0.01), math.log(5.0), 0.0, 1.0]], dtype=torch.float64)
    mixture = GaussianMixture.of_outputs(outputs)
    grid = torch.linspace(60, 160, 20_001, dtype=torch.float64)
    density = torch.cat(
        [mixture.log_density(value[None], blur_adu2=torch.tensor([4.0])) for value in grid]
    ).exp()
    step_adu = float(grid[1] - grid[0])
    assert float(density.sum()) * step_adu == pytest.approx(1, abs=1e-3)
    mean = float((density * grid).sum()) * step_adu
    assert mean == pytest.approx(mixture.mean().item(), abs=1e-2)
    assert mean == pytest.approx(samples_of(outputs, "mixture").mean_adu().item(), abs=1e-2)
    assert float(density.max()) < 0.4 / 2


def _observation() -> np.ndarray:
    signal = specimen()
    return np.asarray(signal + np.random.default_rng(0).normal(0, 10, signal.shape), dtype=np.float32)


WHITE = GaussianMixtureNoiseModel(
    torch.tensor([[0.0], [math.log(100.0)], [0.0]], dtype=torch.float64), 50.0, 250.0, 1.0
)


def _train(method: TrainingMethod, preset: TrainingPreset = TINY, **options: object) -> Network:
    circumstances: dict[str, Any] = {
        "method": method,
        "preset": preset,
        "noise_model": WHITE if method == "pn2v" else None,
        "seed": 3,
        "device": CPU,
        "on_step": lambda _: None,
    }
    return train([_observation()], **(circumstances | options))


@pytest.mark.slow
def test_training_removes_noise_and_the_observation_helps() -> None:
    n2v = _train("n2v", replace(TINY, n2v_steps=100))
    pn2v = _train("pn2v", replace(TINY, pn2v_steps=100), start=n2v)
    plain = predict_plane(n2v, _observation(), device=CPU)
    estimate = predict_plane(pn2v, _observation(), noise_model=WHITE, device=CPU)
    assert estimate.mmse_yx is not None

    def error(image_yx: np.ndarray) -> float:
        return float(np.mean((image_yx - specimen()) ** 2))

    assert error(plain.prior_mean_yx) < 0.4 * 10**2
    assert error(estimate.mmse_yx) < error(estimate.prior_mean_yx) < 0.4 * 10**2


def test_all_stages_run_and_deliver_an_estimate_chosen_by_its_risk(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    observation = (4.0 * rng.poisson(specimen() / 10 / 4.0)).astype(np.float32)
    preset = replace(TINY, n2v_steps=60, pn2v_steps=60, distillation_steps=20)
    prepared = run_all_stages([observation], preset, tmp_path, device=CPU).denoiser
    # The noise is too skewed for Stein's risk, but not for this one: the MMSE estimate is a candidate.
    assert set(prepared.choice.scores) == {"n2v", "prior_mean", "mmse", "distilled"}
    assert "compete" not in prepared.choice.reason
    denoised = denoise_plane(observation, prepared, device=CPU)
    raw, delivered = (
        float(np.mean((image_yx - specimen() / 10) ** 2)) for image_yx in (observation, denoised.image_yx)
    )
    assert delivered < 0.3 * raw
    assert prepared.choice.scores[prepared.choice.estimate] == pytest.approx(delivered, abs=0.1 * raw)


@pytest.mark.parametrize("method", ["n2v", "pn2v"])
def test_a_stopped_run_continues_to_the_same_weights(method: TrainingMethod) -> None:
    checkpoints = MemoryCheckpoints()

    def stop(step: TrainingStep) -> None:
        if step.step == 12:
            raise StoppedError

    with pytest.raises(StoppedError):
        _train(method, checkpoints=checkpoints, on_step=stop)
    continued = _train(method, checkpoints=checkpoints)
    for name, values in _train(method).model.state_dict().items():
        assert torch.equal(values, continued.model.state_dict()[name])


def test_a_network_can_be_restored_from_its_bytes() -> None:
    network = _train("n2v", replace(TINY, n2v_steps=2, blind_x_px=1))
    restored = Network.from_bytes(network.to_bytes())
    assert restored.model.shape == BlindSpotShape(8, 3, 9, blind_px=1)
    assert restored.description == network.description
    np.testing.assert_array_equal(
        predict_plane(restored, _observation(), device=CPU).prior_mean_yx,
        predict_plane(network, _observation(), device=CPU).prior_mean_yx,
    )


@pytest.mark.parametrize("change", [{"outputs": 8}, {"blind_px": -1}, {"blind_px": 10**9}, {"depth": 0}])
def test_networks_of_impossible_size_are_refused(change: dict[str, int]) -> None:
    network = _train("n2v", replace(TINY, n2v_steps=1))
    weights, description = deserialise(network.to_bytes())
    description["shape"] |= change
    with pytest.raises(NetworkInvalidError):
        Network.from_bytes(serialise(weights, description))


def test_a_start_of_another_architecture_is_refused() -> None:
    n2v = _train("n2v", replace(TINY, architecture="unet", n2v_steps=1))
    with pytest.raises(NetworkInvalidError, match="cannot start"):
        _train("pn2v", start=n2v)


@pytest.mark.parametrize("width_factor", [0.7, 1.0, 3.0])
@pytest.mark.parametrize(("gain_adu", "read_adu"), [(4.0, 0.0), (20.0, 3.0), (0.2, 6.0)])
def test_the_risk_of_a_blind_estimate_is_its_error_also_where_noise_is_skewed(
    width_factor: float, gain_adu: float, read_adu: float
) -> None:
    rng = np.random.default_rng(0)
    prior_mean = np.exp(rng.uniform(np.log(8), np.log(80), (400, 400)))
    signal = np.maximum(prior_mean * (1 + 0.3 * rng.normal(size=prior_mean.shape)), 1.0)
    observation = gain_adu * rng.poisson(signal / gain_adu) + rng.normal(0, read_adu + 1e-3, signal.shape)
    line = torch.tensor([[0.0, 0.0], [math.log(read_adu**2 + 1e-2), math.log(200 * gain_adu)], [0.0, 0.0]])
    noise_model = GaussianMixtureNoiseModel(line.double(), 0.0, 200.0, 1e-3)
    width = (0.3 * width_factor * prior_mean).ravel()
    mean, std = (torch.from_numpy(values.ravel())[:, None] for values in (prior_mean, width))
    prior = GaussianMixture(mean, std, torch.zeros_like(mean)).samples()

    def estimates(weighed: np.ndarray) -> dict[str, np.ndarray]:
        moments = posterior_moments(prior, torch.from_numpy(weighed.ravel().astype(np.float64)), noise_model)
        return {"mmse": moments[0].numpy().reshape(weighed.shape), "prior_mean": prior_mean}

    risks = photon_risks(observation, estimates, prior_mean, noise_model, np.ones(signal.shape, dtype=bool))
    for name, estimate in estimates(observation).items():
        error = float(np.mean((estimate - signal) ** 2))
        assert risks[name] == pytest.approx(error, rel=0.1), name
