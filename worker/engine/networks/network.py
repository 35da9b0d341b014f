"""A trained network: weights, normalisation and provenance, with serialisation."""

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
"""Outputs are scaled by this many standard deviations, as in the published recipe, to speed up training."""

_FIRST_WIDTH = 0.4
"""Initial standard deviation of a mixture's Gaussians, relative to that of the image."""

_FORMAT = "clearscope-network-1"
_MAX_FEATURES, _MAX_DEPTH, _MAX_OUTPUTS = 512, 8, 4096


@dataclass(frozen=True)
class LossPoint:
    """Mean training loss since the previous point, and validation loss, after `step` steps."""

    step: int
    loss: float
    validation_loss: float


@dataclass(frozen=True, eq=False)
class Network:
    """Trained network; predicts the signal (`n2v`, `care`, `distilled`) or its prior (`pn2v`) per pixel.

    Images are normalised by `mean_adu` and `std_adu`, the moments of the training images. A supervised
    network predicts signals on the scale of its ground truth, with moments `signal_mean_adu` and
    `signal_std_adu`. `symmetries` is the number of symmetries of the square (test-time augmentation) over
    which predictions are averaged.
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
        """Kind of a pixel's outputs: samples of the signal, or the parameters of Gaussians."""
        return self.model.shape.prior

    def outputs_adu(self, features: Tensor) -> Tensor:
        """Return outputs (..., S) of pixels with features (..., F)."""
        weight, bias = self.output_layer_adu()
        return functional.linear(features, weight, bias)

    def output_layer_adu(self) -> tuple[Tensor, Tensor]:
        """Return weight (S, F) and bias (S,) of the last layer with scale and normalisation folded in."""
        std_adu = self.std_adu if self.signal_std_adu is None else self.signal_std_adu
        mean_adu = self.mean_adu if self.signal_mean_adu is None else self.signal_mean_adu
        head = self.model.head
        if self.prior == "samples":
            scale = OUTPUT_SCALE * std_adu
            return head.weight * scale, head.bias * scale + mean_adu
        # Means, log standard deviations and logits scale differently with the image.
        gaussians = head.out_features // PARAMETERS
        # Created on the device: copying from the host would synchronise with the GPU.
        scales, offsets = (
            torch.cat([head.bias.new_full((gaussians,), value) for value in values])
            for values in ((std_adu, 1.0, 1.0), (mean_adu, math.log(_FIRST_WIDTH * std_adu), 0.0))
        )
        return head.weight * scales[:, None], head.bias * scales + offsets

    @property
    def description(self) -> dict[str, Any]:
        """Everything but the weights, as JSON-serialisable values."""
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
        """Serialise as safetensors with the description as JSON metadata."""
        return serialise(self.model.state_dict(), self.description)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Inverse of `to_bytes`; raise NetworkInvalidError for other content."""
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
            raise NetworkInvalidError(f"incomplete or inconsistent description: {error!r}") from error


def _restore_model(shape: NetworkShape, weights: dict[str, Tensor]) -> Model:
    # Checked before memory of this size is allocated.
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
        raise NetworkInvalidError("weights must be finite")
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
