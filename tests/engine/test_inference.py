"""Prediction of planes: tiles, symmetries, blocks, broken pixels."""

import numpy as np
import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

from tests.support.tiny_training import CPU, SKEWED_NOISE
from worker.engine.networks.network import Network
from worker.engine.networks.prior import WeightedSamples, bent_outputs
from worker.engine.networks.scale import Curve, Scale
from worker.engine.networks.unet import UNet, UNetShape
from worker.engine.planes.tiling import padded_index, tiles
from worker.engine.prediction import posterior
from worker.engine.prediction.inference import predict_plane
from worker.engine.prediction.posterior import posterior_moments

STD_ADU = 20.0


def _network(outputs: int = 30, depth: int = 3, symmetries: int = 1) -> Network:
    model = UNet(UNetShape(features=6, depth=depth, outputs=outputs))
    model.initialise(torch.Generator().manual_seed(0)).requires_grad_(requires_grad=False)
    for name, values in model.named_parameters():
        if name.endswith("bias"):
            values.uniform_(-0.05, 0.05, generator=torch.Generator().manual_seed(1))
    return Network(model, "pn2v", "fast", 0, 0, Scale(150.0, STD_ADU), symmetries)


def _plane(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).normal(150, STD_ADU, (height, width)).astype(np.float32)


@pytest.mark.parametrize(
    ("height", "width"), [(200, 131), (97, 160), (33, 34), (5, 200), (1, 77), (3, 3), (129, 64)]
)
def test_a_tiled_result_equals_the_untiled_one(height: int, width: int) -> None:
    plane, network = _plane(height, width), _network()
    whole = predict_plane(network, plane, noise_model=SKEWED_NOISE, device=CPU, tile_px=1024)
    tiled = predict_plane(network, plane, noise_model=SKEWED_NOISE, device=CPU, tile_px=32)
    for name in ("mmse_yx", "prior_mean_yx", "posterior_std_yx"):
        expected, found = getattr(whole, name), getattr(tiled, name)
        assert found.shape == (height, width)
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() < 1e-4 * STD_ADU
        assert expected.std() > 0 or height * width < 10


def test_weights_are_channels_last_in_use_and_files_do_not_change() -> None:
    network = _network()
    before = network.to_bytes()
    predict_plane(network, _plane(64, 64), device=CPU)
    kernels = [values for values in network.model.parameters() if values.ndim == 4]
    assert kernels
    assert all(values.is_contiguous(memory_format=torch.channels_last) for values in kernels)
    assert network.to_bytes() == before


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_reach_covers_the_receptive_field(depth: int) -> None:
    network = _network(outputs=1, depth=depth)
    shape = network.model.shape
    side = 2 * (shape.reach_px + 2 * shape.stride_px)
    image = torch.zeros((1, 1, side, side))
    seen = 0
    for centre in range(side // 2 - shape.stride_px, side // 2):
        leaf = image.clone().requires_grad_()
        # Max pooling passes gradients to one pixel per window; random images reach every pixel.
        for seed in range(12):
            noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
            network.model(leaf + noise)[0, 0, centre, centre].backward()
        assert leaf.grad is not None
        rows = leaf.grad[0, 0].abs().sum(dim=1).nonzero().flatten()
        seen = max(seen, int((rows - centre).abs().max()))
    assert shape.reach_px - 2 * shape.stride_px < seen <= shape.reach_px


def test_tiles_cover_each_pixel_once_and_start_on_the_stride() -> None:
    covered = np.zeros((70, 45), dtype=int)
    for tile in tiles((70, 45), tile_px=30, overlap_px=10, stride_px=4):
        covered[tile.core] += 1
        assert all(window.start % 4 == 0 and window.stop % 4 == 0 for window in tile.outer)
        for outer, inner, core in zip(tile.outer, tile.inner, tile.core, strict=True):
            assert outer.start + inner.start == core.start
            assert outer.start + inner.stop == core.stop
    assert (covered == 1).all()


def test_padding_mirrors_the_border() -> None:
    assert padded_index(6, 4, CPU).tolist() == [0, 1, 2, 3, 4, 5, 4, 3]
    assert padded_index(1, 4, CPU).tolist() == [0, 0, 0, 0]


def test_the_estimate_over_all_symmetries_rotates_with_the_plane() -> None:
    plane, network = _plane(40, 56), _network(symmetries=8)
    estimate = predict_plane(network, plane, noise_model=SKEWED_NOISE, device=CPU)
    turned = predict_plane(network, np.rot90(plane).copy(), noise_model=SKEWED_NOISE, device=CPU)
    assert estimate.mmse_yx is not None
    assert turned.mmse_yx is not None
    np.testing.assert_allclose(turned.mmse_yx, np.rot90(estimate.mmse_yx), atol=1e-3)
    one_way = predict_plane(network, plane, noise_model=SKEWED_NOISE, device=CPU, symmetries=1)
    assert one_way.mmse_yx is not None
    assert np.abs(one_way.mmse_yx - estimate.mmse_yx).max() > 1e-2


def test_the_prior_mean_does_not_depend_on_the_noise_model() -> None:
    plane, network = _plane(40, 40), _network()
    without = predict_plane(network, plane, device=CPU)
    assert without.mmse_yx is None
    assert without.posterior_std_yx is None
    with_model = predict_plane(network, plane, noise_model=SKEWED_NOISE, device=CPU)
    np.testing.assert_allclose(without.prior_mean_yx, with_model.prior_mean_yx, atol=1e-2)


def test_pixels_without_a_value_are_predicted_from_their_neighbourhood() -> None:
    plane, network = _plane(48, 48), _network()
    plane[10:13, 10:13] = np.nan
    plane[30, 30] = -np.inf
    before = plane.copy()
    estimate = predict_plane(network, plane, noise_model=SKEWED_NOISE, device=CPU)
    for image in (estimate.mmse_yx, estimate.prior_mean_yx, estimate.posterior_std_yx):
        assert image is not None
        assert np.isfinite(image).all()
    np.testing.assert_array_equal(plane, before)


@pytest.mark.parametrize("curve", [None, Curve(140.0, 0.01)])
@pytest.mark.slow  # the first compilation takes half a minute
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # used by torch's compiler
def test_compiled_and_plain_moments_agree(curve: Curve | None, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn((1000, 6), generator=generator)
    weight, bias = torch.randn((30, 6), generator=generator) * 10, torch.full((30,), 150.0)
    observation = 150 + 20 * torch.randn(1000, generator=generator)
    noise_model = SKEWED_NOISE.to(CPU, torch.float32)
    outputs = bent_outputs(features @ weight.T + bias, curve, "samples")
    samples = WeightedSamples.equal(outputs)
    expected = posterior_moments(samples, observation, noise_model)
    monkeypatch.setattr(posterior, "COMPILE_FROM_SAMPLES", 0)
    compute = posterior.moments_of_block(weight, bias, noise_model, curve=curve, prior="samples", pixels=1)
    torch.testing.assert_close(compute(features, observation), expected, rtol=1e-4, atol=1e-2)


def test_prediction_works_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise BackendCompilerFailed(_no_backend, RuntimeError("no compiler here"), None)

    monkeypatch.setattr(posterior, "COMPILE_FROM_SAMPLES", 0)
    monkeypatch.setattr(torch, "compile", lambda *_, **__: fail)
    posterior._compiled_or_eager.cache_clear()
    try:
        estimate = predict_plane(_network(), _plane(20, 20), noise_model=SKEWED_NOISE, device=CPU)
    finally:
        posterior._compiled_or_eager.cache_clear()
    monkeypatch.undo()
    expected = predict_plane(_network(), _plane(20, 20), noise_model=SKEWED_NOISE, device=CPU)
    assert estimate.mmse_yx is not None
    assert expected.mmse_yx is not None
    np.testing.assert_allclose(estimate.mmse_yx, expected.mmse_yx, atol=1e-3)


def _no_backend() -> None: ...
