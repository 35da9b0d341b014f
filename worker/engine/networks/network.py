"""A trained network: weights with all that is needed to apply them and to know where they came from."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor
from torch.nn import functional

from worker.engine.errors import CheckpointInvalidError, NetworkInvalidError
from worker.engine.networks.architecture import Model, NetworkShape, build_model, shape_from, shape_parameters
from worker.engine.networks.checkpoint import deserialise, serialise
from worker.engine.networks.prior import PARAMETERS, PriorKind

TrainingMethod = Literal["n2v", "pn2v", "care", "distilled"]

OUTPUT_SCALE = 10.0
"""Outputs count this many standard deviations; a part of the published recipe that speeds training up."""

_FIRST_WIDTH = 0.4
"""Standard deviation of a mixture's Gaussians before training, in those of the image."""

_FORMAT = "clearscope-network-1"
_MAX_FEATURES, _MAX_DEPTH, _MAX_OUTPUTS = 512, 8, 4096


@dataclass(frozen=True)
class LossPoint:
    """Mean training loss since the point before, and the validation loss, after `step` steps."""

    step: int
    loss: float
    validation_loss: float


@dataclass(frozen=True, eq=False)
class Network:
    """What predicts one signal (`n2v`, `care`, `distilled`) or a prior of it (`pn2v`) per pixel.

    Images are normalised by `mean_adu` and `std_adu`, the moments of the images it was trained on; a
    supervised network gives signals on the scale of its ground truth, of moments `signal_mean_adu` and
    `signal_std_adu`.
    `symmetries` is the number of symmetries of a square over which its predictions are averaged.
    """

    model: Model
    method: TrainingMethod
    preset: str
    seed: int
    steps: int
    mean_adu: float
    std_adu: float
    symmetries: int
    loss_history: tuple[LossPoint, ...] = ()
    signal_mean_adu: float | None = None
    signal_std_adu: float | None = None

    def normalise(self, image_adu: Tensor) -> Tensor:
        return (image_adu - self.mean_adu) / self.std_adu

    @property
    def prior(self) -> PriorKind:
        """What the outputs of a pixel are: signals, or the parameters of Gaussians."""
        return self.model.shape.prior

    def outputs_adu(self, features: Tensor) -> Tensor:
        """Outputs (..., S) of pixels with the given features (..., F)."""
        weight, bias = self.output_layer_adu()
        return functional.linear(features, weight, bias)

    def output_layer_adu(self) -> tuple[Tensor, Tensor]:
        """Weight (S, F) and bias (S,) of the last layer with scale and normalisation folded in."""
        std_adu = self.std_adu if self.signal_std_adu is None else self.signal_std_adu
        mean_adu = self.mean_adu if self.signal_mean_adu is None else self.signal_mean_adu
        head = self.model.head
        if self.prior == "samples":
            scale = OUTPUT_SCALE * std_adu
            return head.weight * scale, head.bias * scale + mean_adu
        # Means, logs of standard deviations and logits differ in what an image's scale does to them.
        gaussians = head.out_features // PARAMETERS
        # Filled where they are needed: copying numbers to a GPU would wait until it has nothing else to do.
        scales, offsets = (
            torch.cat([head.bias.new_full((gaussians,), value) for value in values])
            for values in ((std_adu, 1.0, 1.0), (mean_adu, math.log(_FIRST_WIDTH * std_adu), 0.0))
        )
        return head.weight * scales[:, None], head.bias * scales + offsets

    @property
    def description(self) -> dict[str, Any]:
        """Everything but the weights, as plain JSON values."""
        return {
            "format": _FORMAT,
            "method": self.method,
            "preset": self.preset,
            "seed": self.seed,
            "steps": self.steps,
            "mean_adu": self.mean_adu,
            "std_adu": self.std_adu,
            "symmetries": self.symmetries,
            "signal_mean_adu": self.signal_mean_adu,
            "signal_std_adu": self.signal_std_adu,
            "shape": shape_parameters(self.model.shape),
            "loss_history": [asdict(point) for point in self.loss_history],
        }

    def to_bytes(self) -> bytes:
        """Serialise as safetensors, the description as JSON in its metadata."""
        return serialise(self.model.state_dict(), self.description)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Inverse of `to_bytes`; NetworkInvalidError if the bytes are anything else."""
        try:
            weights, description = deserialise(content)
        except CheckpointInvalidError as error:
            raise NetworkInvalidError(error.detail) from error
        if description.get("format") != _FORMAT:
            raise NetworkInvalidError(f"format {description.get('format')!r}, expected {_FORMAT!r}")
        try:
            return cls(
                model=_restore_model(shape_from(description["shape"]), weights),
                method=_method(description["method"]),
                preset=str(description["preset"]),
                seed=int(description["seed"]),
                steps=int(description["steps"]),
                mean_adu=_finite(description["mean_adu"]),
                std_adu=_finite(description["std_adu"]),
                symmetries=int(description["symmetries"]),
                loss_history=tuple(LossPoint(**point) for point in description["loss_history"]),
                signal_mean_adu=_finite_or_none(description.get("signal_mean_adu")),
                signal_std_adu=_finite_or_none(description.get("signal_std_adu")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise NetworkInvalidError(f"incomplete or contradictory description: {error!r}") from error


def _restore_model(shape: NetworkShape, weights: dict[str, Tensor]) -> Model:
    # Checked before anything of this size is made.
    if not (
        0 < shape.features <= _MAX_FEATURES
        and 0 < shape.depth <= _MAX_DEPTH
        and 0 < shape.outputs <= _MAX_OUTPUTS
        and (shape.prior == "samples" or shape.outputs % PARAMETERS == 0)
    ):
        raise NetworkInvalidError(f"network of impossible size: {shape}")
    model = build_model(shape)
    try:
        model.load_state_dict({name: values.float() for name, values in weights.items()}, assign=True)
    except RuntimeError as error:
        raise NetworkInvalidError(f"weights do not fit the described network: {error}") from error
    if not all(bool(values.isfinite().all()) for values in weights.values()):
        raise NetworkInvalidError("weights have to be finite")
    return model.requires_grad_(requires_grad=False).eval()


def _method(value: object) -> TrainingMethod:
    for method in get_args(TrainingMethod):
        if value == method:
            return method  # type: ignore[no-any-return]  # because get_args is untyped
    raise ValueError(f"unknown method {value!r}")


def _finite_or_none(value: object) -> float | None:
    return None if value is None else _finite(value)


def _finite(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]  # because JSON may hold anything; TypeError is expected
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not finite")
    return number
