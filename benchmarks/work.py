"""Operation counts and timings of training and prediction."""

import math
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from worker.engine.networks.architecture import build_model
from worker.engine.networks.network import Network, TrainingMethod
from worker.engine.networks.scale import Scale
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.prediction.inference import predict_plane
from worker.engine.training.loop import TrainingStep, train
from worker.engine.training.presets import TrainingPreset

CPU = torch.device("cpu")
MEGAPIXEL = 1e6
_PLANE_PX = 256
_PREDICTED_PX = 512
_COUNTED_PX = 64

_aten = torch.ops.aten
# Operators counted per element of their result (with the number of exponentials and logarithms), or argument.
_IN_RESULTS = {_aten.exp: 1, _aten.log: 1, _aten.logaddexp: 2}
_IN_ARGUMENTS = {_aten.logsumexp, _aten._log_softmax}  # noqa: SLF001  # the operator has no other name

# Noise model of the size used in the paper: three Gaussians of two coefficients.
NOISE_MODEL = GaussianMixtureNoiseModel(
    torch.tensor([[0.0, 0.0]] * 3 + [[math.log(30.0), 3.0]] * 3 + [[0.0, 0.0]] * 3, dtype=torch.float64),
    signal_min_adu=100.0,
    signal_max_adu=1000.0,
    variance_floor_adu2=1.0,
    outlier_density_per_adu=1e-7,
)


@dataclass(frozen=True)
class Work:
    """Floating-point operations, and the seconds they took."""

    flop: float
    seconds: float


class _StopTrainingError(Exception):
    """Raised to end a training run once it has been measured."""


def plane(side_px: int = _PLANE_PX) -> np.ndarray:
    """Return a plane of Poisson noise; the content does not affect timings."""
    noise = np.random.default_rng(0).poisson(400.0, (side_px, side_px))
    return np.asarray(noise, dtype=np.float32)


def training_step(preset: TrainingPreset, method: TrainingMethod, *, steps: int = 2) -> Work:
    """Measure a training step; its time is the mean of `steps` steps after the first."""
    flop = step_flop(preset, method)
    marks = _step_marks(preset, method, steps, counting=False)
    return Work(flop, (marks[-1][1] - marks[0][1]) / steps)


def step_flop(preset: TrainingPreset, method: TrainingMethod) -> float:
    """Count the floating-point operations of one training step."""
    counted = _step_marks(preset, method, 1, counting=True)
    return counted[1][0] - counted[0][0]


def _step_marks(
    preset: TrainingPreset, method: TrainingMethod, steps: int, *, counting: bool
) -> list[tuple[float, float]]:
    """Return the operations so far and the time after the first step and each following; no validation."""
    never = steps + 2
    endless = replace(
        preset, n2v_steps=never, pn2v_steps=never, distillation_steps=never, steps_per_validation=never
    )
    counter = FlopCounterMode(display=False)
    marks: list[tuple[float, float]] = []

    def on_step(_: TrainingStep) -> None:
        marks.append((float(counter.get_total_flops()) if counting else 0.0, time.perf_counter()))
        if len(marks) > steps:
            raise _StopTrainingError

    with suppress(_StopTrainingError), counter if counting else nullcontext():
        train(
            [plane()],
            method=method,
            preset=endless,
            noise_model=None if method == "n2v" else NOISE_MODEL,
            seed=0,
            device=CPU,
            on_step=on_step,
        )
    return marks


def prediction(network: Network, *, side_px: int = _PREDICTED_PX) -> Work:
    """Measure the prediction of one megapixel with all symmetries of the network and posterior moments."""

    def predict(side_px: int) -> None:
        predict_plane(network, plane(side_px), noise_model=NOISE_MODEL, device=CPU)

    predict(side_px)  # warm-up: compiles what is compiled on first use
    started_s = time.perf_counter()
    predict(side_px)
    seconds = (time.perf_counter() - started_s) / side_px**2 * MEGAPIXEL
    return Work(prediction_flop(network), seconds)


def prediction_flop(network: Network) -> float:
    """Count the floating-point operations per megapixel, without those repeated in overlaps of tiles."""
    # A plane too small to trigger compilation, since the counter cannot see into compiled code.
    with FlopCounterMode(display=False) as counter:
        predict_plane(network, plane(_COUNTED_PX), noise_model=NOISE_MODEL, device=CPU)
    return float(counter.get_total_flops()) / _COUNTED_PX**2 * MEGAPIXEL


def network_of(preset: TrainingPreset) -> Network:
    """Return a PN2V network with random weights."""
    model = build_model(preset.shape("pn2v")).initialise(torch.Generator().manual_seed(0))
    return Network(
        model=model.requires_grad_(requires_grad=False).eval(),
        method="pn2v",
        preset=preset.name,
        seed=0,
        steps=0,
        scale=Scale(origin_adu=400.0, unit_adu=100.0),
        symmetries=preset.symmetries,
    )


class ExponentialCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
    """Context manager that counts exponentials and logarithms."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the same
        self.count = 0

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401  # an operator
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  # the operator's result
        del types
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in _IN_RESULTS and isinstance(result, Tensor):
            self.count += _IN_RESULTS[func.overloadpacket] * result.numel()
        elif func.overloadpacket in _IN_ARGUMENTS:
            self.count += args[0].numel()
        return result
