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
from worker.engine.networks.prior import PARAMETERS, PriorKind, bent_outputs
from worker.engine.networks.scale import Scale

TrainingMethod = Literal["n2v", "pn2v", "care", "distilled", "pretrained"]

OUTPUT_SCALE = 10.0
"""Outputs are scaled by this many standard deviations, as in the published recipe, to speed up training."""

_FIRST_WIDTH = 0.4
"""Initial standard deviation of a mixture's Gaussians, relative to that of the image."""

_FORMAT = "clearscope-network-2"
_FORMAT_OF_MOMENTS = "clearscope-network-1"
"""Earlier format: with the mean and the standard deviation of the images in place of scales."""

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

    A `pretrained` one predicts the signal from the pixel's own observation too.

    `scale` is that of the training images. A supervised network predicts signals on the scale of its ground
    truth, `signal_scale`. `symmetries` is the number of symmetries of the square (test-time augmentation)
    over which predictions are averaged.
    """

    model: Model
    method: TrainingMethod
    preset: str
    seed: int
    steps: int
    scale: Scale
    symmetries: int
    loss_history: tuple[LossPoint, ...] = ()
    signal_scale: Scale | None = None
    frames: Tensor | None = None
    """Planes of a stack (T, H, W), ADU, for one plane: a network of several frames sees it in the middle.

    Missing planes are NaN.
    """

    @property
    def output_scale(self) -> Scale:
        """Scale of the predicted signals."""
        return self.signal_scale or self.scale

    @property
    def reach(self) -> int:
        """Number of planes of a stack that the network sees on either side of a plane."""
        return self.model.shape.frames // 2

    @property
    def neighbours(self) -> int:
        """Number of planes beside the one in the middle that the network sees."""
        return 0 if self.frames is None else int(self.frames.isfinite().flatten(1).any(dim=1).sum())

    def input_of(self, plane: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the network's input (T, h, w) for the pixels of a plane (H, W), ADU, given by indices.

        Neighbours that are missing are blank.
        """
        window = (..., rows[:, None], columns)
        if self.frames is None:
            alone = self.scale.normalise(plane[window])[None]
            return functional.pad(alone, (0, 0, 0, 0, self.reach, self.reach)) if self.reach else alone
        frames = self.frames[window]
        frames[len(frames) // 2] = plane[window]
        return self.scale.normalise(frames).nan_to_num(nan=0.0)

    @property
    def prior(self) -> PriorKind:
        """Kind of a pixel's outputs: samples of the signal, or the parameters of Gaussians."""
        return self.model.shape.prior

    def outputs_adu(self, features: Tensor) -> Tensor:
        """Return outputs (..., S) of pixels with features (..., F)."""
        weight, bias = self.output_layer_adu()
        return bent_outputs(functional.linear(features, weight, bias), self.output_scale.curve, self.prior)

    def output_layer_adu(self) -> tuple[Tensor, Tensor]:
        """Return weight (S, F) and bias (S,) of the last layer with the tangent of the scale folded in.

        The curve of the output scale bends its results to ADU.
        """
        zero_adu, unit_adu = self.output_scale.tangent
        head = self.model.head
        if self.prior == "samples":
            scale = OUTPUT_SCALE * unit_adu
            return head.weight * scale, head.bias * scale + zero_adu
        # Means, log standard deviations and logits scale differently with the image.
        gaussians = head.out_features // PARAMETERS
        # Created on the device: copying from the host would synchronise with the GPU.
        scales, offsets = (
            torch.cat([head.bias.new_full((gaussians,), value) for value in values])
            for values in ((unit_adu, 1.0, 1.0), (zero_adu, math.log(_FIRST_WIDTH * unit_adu), 0.0))
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
            "scale": self.scale.parameters,
            "signal_scale": self.signal_scale.parameters if self.signal_scale else None,
            "symmetries": self.symmetries,
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
        if description.get("format") == _FORMAT_OF_MOMENTS:
            description = _with_scales(description)
        elif description.get("format") != _FORMAT:
            raise NetworkInvalidError(f"format {description.get('format')!r}, expected {_FORMAT!r}")
        try:
            return cls(
                model=restore_model(shape_from(description["shape"]), weights),
                method=_method(description["method"]),
                preset=str(description["preset"]),
                seed=int(description["seed"]),
                steps=int(description["steps"]),
                scale=Scale.from_parameters(description["scale"]),
                symmetries=int(description["symmetries"]),
                loss_history=tuple(LossPoint(**point) for point in description["loss_history"]),
                signal_scale=_scale_or_none(description["signal_scale"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NetworkInvalidError(f"incomplete or inconsistent description: {error!r}") from error


def restore_model(shape: NetworkShape, weights: dict[str, Tensor]) -> Model:
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


def _scale_or_none(parameters: dict[str, Any] | None) -> Scale | None:
    return None if parameters is None else Scale.from_parameters(parameters)


def _with_scales(description: dict[str, Any]) -> dict[str, Any]:
    """Return a description of the earlier format as one of today's."""
    scales: dict[str, Any] = {}
    for name, prefix in (("scale", ""), ("signal_scale", "signal_")):
        mean_adu, std_adu = (description.get(f"{prefix}{moment}") for moment in ("mean_adu", "std_adu"))
        known = prefix == "" or mean_adu is not None
        scales[name] = {"origin_adu": mean_adu, "unit_adu": std_adu} if known else None
    return description | scales
