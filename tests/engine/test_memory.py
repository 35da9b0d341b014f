"""Out of memory: failures are injected above a size and handled by smaller batches."""

import logging
import math
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from worker.engine.devices.execution import GPU, HOST, Execution
from worker.engine.devices.memory import AdaptiveBatch, OutOfMemoryError, is_out_of_memory
from worker.engine.networks.network import Network
from worker.engine.networks.scale import Scale
from worker.engine.networks.unet import UNet, UNetShape
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.prediction import inference
from worker.engine.prediction.inference import predict_plane
from worker.engine.training import loop
from worker.engine.training.loop import train
from worker.engine.training.presets import PRESETS

CPU = torch.device("cpu")
TINY = replace(
    PRESETS["fast"],
    features=4,
    depth=2,
    patch_px=16,
    patches_per_step=8,
    patches_at_once=8,
    n2v_steps=4,
    steps_per_validation=2,
    reduced_precision=False,
)
NOISE = GaussianMixtureNoiseModel(
    torch.tensor([[0.0], [math.log(100.0)], [0.0]], dtype=torch.float64), 50.0, 250.0, 1.0
)
Failure = Callable[[], Exception]


def _of_cuda() -> Exception:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def _of_the_cpu() -> Exception:
    try:
        torch.empty(1 << 60)
    except RuntimeError as error:
        return RuntimeError(str(error))
    raise AssertionError("2^62 bytes were found")


class Scarce:
    """Makes a U-Net fail above a number of pixels, and records what failed attempts leave behind."""

    def __init__(self, limit_px: int, failure: Failure) -> None:
        self.limit_px, self.failure = limit_px, failure
        self.attempted_px: list[int] = []
        self.left_behind = 0
        self._held: list[weakref.ref[Tensor]] = []
        self._features = UNet.feature_groups

    def features(self, model: UNet, image: Tensor) -> list[Tensor]:
        self.left_behind += sum(held() is not None for held in self._held)
        self._held = []
        self.attempted_px.append(image.numel())
        if image.numel() > self.limit_px:
            activations = self._features(model, image)
            self._held.append(weakref.ref(activations[0]))
            raise self.failure()
        return self._features(model, image)

    @property
    def failures(self) -> int:
        return sum(pixels > self.limit_px for pixels in self.attempted_px)


@pytest.fixture(autouse=True)
def fresh_tiles() -> Iterator[None]:
    inference._tile_on.cache_clear()
    yield
    inference._tile_on.cache_clear()


@pytest.fixture(params=[HOST, GPU], ids=["as on a CPU", "as on a GPU"])
def execution(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Execution:
    chosen: Execution = request.param
    for module in (loop, inference):
        monkeypatch.setattr(module, "execution_on", lambda _: chosen)
    return chosen


def _scarce(monkeypatch: pytest.MonkeyPatch, limit_px: int, failure: Failure = _of_cuda) -> Scarce:
    scarce = Scarce(limit_px, failure)

    def features(model: UNet, image: Tensor) -> list[Tensor]:
        return scarce.features(model, image)

    monkeypatch.setattr(UNet, "feature_groups", features)
    return scarce


def _plane() -> np.ndarray:
    return np.random.default_rng(0).normal(150, 20, (110, 130)).astype(np.float32)


def _trained(patches_at_once: int) -> Tensor:
    network = train(
        [_plane()],
        method="n2v",
        preset=replace(TINY, patches_at_once=patches_at_once),
        seed=0,
        device=CPU,
        on_step=lambda _: None,
    )
    return torch.cat([values.flatten() for values in network.model.state_dict().values()])


def _network() -> Network:
    model = UNet(UNetShape(4, 2, 10)).initialise(torch.Generator().manual_seed(0))
    return Network(model.requires_grad_(requires_grad=False), "pn2v", "fast", 0, 0, Scale(150.0, 20.0), 1)


@pytest.mark.parametrize("failure", [_of_cuda, _of_the_cpu])
def test_a_step_that_does_not_fit_is_repeated_with_fewer_patches(
    failure: Failure,
    execution: Execution,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    small, large = _trained(2), _trained(8)
    scarce = _scarce(monkeypatch, 2 * TINY.patch_px**2, failure)
    with caplog.at_level(logging.WARNING):
        met = _trained(8)
    assert scarce.failures == 2, "the size found is kept, also at validation"
    assert scarce.left_behind == 0
    told = [record.getMessage() for record in caplog.records if record.name.startswith("worker.")]
    assert [line.partition(" patches")[0] for line in told] == [
        f"out of memory on cpu; going on with {size}" for size in (4, 2)
    ]
    torch.testing.assert_close(met, large, rtol=1e-3, atol=1e-4)
    if not execution.whole_steps:
        assert torch.equal(met, small), "the same draws"


@pytest.mark.usefixtures("execution")
def test_a_step_that_never_fits_fails_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    scarce = _scarce(monkeypatch, 0)
    with pytest.raises(
        OutOfMemoryError,
        match=r"cpu has too little free memory for 1 patches at a time.* crop larger ones",
    ) as caught:
        _trained(8)
    assert caught.value.code == "out-of-memory"
    assert scarce.failures == 4


def test_a_plane_that_does_not_fit_is_predicted_in_smaller_tiles(
    execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, plane = _network(), _plane()
    expected = predict_plane(network, plane, noise_model=NOISE, device=CPU)
    scarce = _scarce(monkeypatch, 90**2)
    for _ in range(2):
        found = predict_plane(network, plane, noise_model=NOISE, device=CPU)
        for name in ("mmse_yx", "prior_mean_yx", "posterior_std_yx"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-3)
    assert scarce.failures == math.log2(execution.tile_px // 64), "once, not for every plane"
    assert scarce.left_behind == 0


@pytest.mark.usefixtures("execution")
def test_likelihoods_that_do_not_fit_are_computed_for_fewer_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    network, plane = _network(), _plane()
    expected = predict_plane(network, plane, noise_model=NOISE, device=CPU)
    whole = GaussianMixtureNoiseModel.log_likelihood
    sizes: list[int] = []

    def log_likelihood(model: GaussianMixtureNoiseModel, observation: Tensor, signal: Tensor) -> Tensor:
        sizes.append(len(signal))
        if len(signal) > 5000:
            raise _of_the_cpu()
        return whole(model, observation, signal)

    monkeypatch.setattr(GaussianMixtureNoiseModel, "log_likelihood", log_likelihood)
    found = predict_plane(network, plane, noise_model=NOISE, device=CPU)
    assert found.mmse_yx is not None
    assert expected.mmse_yx is not None
    np.testing.assert_allclose(found.mmse_yx, expected.mmse_yx, atol=1e-3)
    assert max(sizes) > 5000 >= sizes[-1]


@pytest.mark.usefixtures("execution")
def test_a_plane_that_never_fits_fails_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    _scarce(monkeypatch, 0)
    with pytest.raises(OutOfMemoryError, match="64 px of a tile's side"):
        predict_plane(_network(), _plane(), device=CPU)


def test_other_errors_are_not_mistaken_for_out_of_memory() -> None:
    def broken(_: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        AdaptiveBatch("things", 8, 1, CPU).run(broken)


@pytest.mark.parametrize(
    "error",
    [
        _of_cuda(),
        _of_the_cpu(),
        MemoryError(),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"),
    ],
)
def test_allocators_errors_are_recognised(error: Exception) -> None:
    assert is_out_of_memory(error)
