"""How much a network computes, counted while it does, and how long that takes."""

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
# Exponentials and logarithms per element of the result, and of the argument.
_IN_RESULTS = {_aten.exp: 1, _aten.log: 1, _aten.logaddexp: 2}
_IN_ARGUMENTS = {_aten.logsumexp, _aten._log_softmax}  # noqa: SLF001  # the operator has no other name

# A camera as in the paper: three Gaussians of two coefficients.
NOISE_MODEL = GaussianMixtureNoiseModel(
    torch.tensor([[0.0, 0.0]] * 3 + [[math.log(30.0), 3.0]] * 3 + [[0.0, 0.0]] * 3, dtype=torch.float64),
    signal_min_adu=100.0,
    signal_max_adu=1000.0,
    variance_floor_adu2=1.0,
    outlier_density_per_adu=1e-7,
)


@dataclass(frozen=True)
class Work:
    """Floating-point operations, and the seconds that they took."""

    flop: float
    seconds: float


class _EnoughError(Exception):
    """Ends a training run that has been measured."""


def plane(side_px: int = _PLANE_PX) -> np.ndarray:
    """Something to compute with; what it shows makes no difference."""
    drawn = np.random.default_rng(0).poisson(400.0, (side_px, side_px))
    return np.asarray(drawn, dtype=np.float32)


def training_step(preset: TrainingPreset, method: TrainingMethod, *, steps: int = 2) -> Work:
    """One step of training, the mean of so many; the first is not among them."""
    counted = _step_marks(preset, method, 1, counting=True)
    moments = _step_marks(preset, method, steps, counting=False)
    return Work(counted[1][0] - counted[0][0], (moments[-1][1] - moments[0][1]) / steps)


def step_flop(preset: TrainingPreset, method: TrainingMethod) -> float:
    """Floating-point operations of one step."""
    counted = _step_marks(preset, method, 1, counting=True)
    return counted[1][0] - counted[0][0]


def _step_marks(
    preset: TrainingPreset, method: TrainingMethod, steps: int, *, counting: bool
) -> list[tuple[float, float]]:
    """Operations and time at the end of the first step and of so many after it, validation left out."""
    never = steps + 2
    endless = replace(
        preset, n2v_steps=never, pn2v_steps=never, distillation_steps=never, steps_per_validation=never
    )
    counter = FlopCounterMode(display=False)
    marks: list[tuple[float, float]] = []

    def on_step(_: TrainingStep) -> None:
        marks.append((float(counter.get_total_flops()) if counting else 0.0, time.perf_counter()))
        if len(marks) > steps:
            raise _EnoughError

    with suppress(_EnoughError), counter if counting else nullcontext():
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
    """One megapixel, as many symmetries as the network asks for, posterior moments included."""

    def predict(side_px: int) -> None:
        predict_plane(network, plane(side_px), noise_model=NOISE_MODEL, device=CPU)

    predict(side_px)  # what is compiled at first use is compiled now
    began_s = time.perf_counter()
    predict(side_px)
    seconds = (time.perf_counter() - began_s) / side_px**2 * MEGAPIXEL
    return Work(prediction_flop(network), seconds)


def prediction_flop(network: Network) -> float:
    """Floating-point operations per megapixel; what tiles compute twice does not count."""
    # So small that nothing is compiled, for the counter sees nothing of compiled programs.
    with FlopCounterMode(display=False) as counter:
        predict_plane(network, plane(_COUNTED_PX), noise_model=NOISE_MODEL, device=CPU)
    return float(counter.get_total_flops()) / _COUNTED_PX**2 * MEGAPIXEL


def network_of(preset: TrainingPreset) -> Network:
    """A PN2V network with random weights."""
    model = build_model(preset.shape("pn2v")).initialise(torch.Generator().manual_seed(0))
    return Network(
        model=model.requires_grad_(requires_grad=False).eval(),
        method="pn2v",
        preset=preset.name,
        seed=0,
        steps=0,
        mean_adu=400.0,
        std_adu=100.0,
        symmetries=preset.symmetries,
    )


class ExponentialCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types there
    """Counts exponentials and logarithms while it is entered."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the same
        self.count = 0

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401  # an operator
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  # whatever it returns
        del types
        made = func(*args, **(kwargs or {}))
        if func.overloadpacket in _IN_RESULTS and isinstance(made, Tensor):
            self.count += _IN_RESULTS[func.overloadpacket] * made.numel()
        elif func.overloadpacket in _IN_ARGUMENTS:
            self.count += args[0].numel()
        return made
