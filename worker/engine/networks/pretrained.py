"""The network that is trained once, for all specimens and detectors: it needs the image's noise alone."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Self

import numpy as np
import torch

from worker.engine.errors import CheckpointInvalidError, NetworkInvalidError
from worker.engine.networks.architecture import shape_from, shape_parameters
from worker.engine.networks.checkpoint import deserialise, serialise
from worker.engine.networks.network import Network, restore_model
from worker.engine.networks.scale import Scale
from worker.engine.networks.unet import UNet
from worker.engine.planes.strips import strips
from worker.engine.planes.symmetries import SYMMETRIES

_FORMAT = "clearscope-pretrained-1"
_PACKAGED = "all_specimens.safetensors"
_PACKAGED_OF_STACKS = "all_specimens_stacks.safetensors"


@dataclass(frozen=True, eq=False)
class PretrainedNetwork:
    """A network that denoises any image whose noise is one on a known scale.

    `spread` is the number of noise standard deviations per unit of its input; `digest` names the weights, and
    `provenance` tells how they were made.
    """

    model: UNet
    spread: float
    digest: str
    provenance: Mapping[str, Any]

    @property
    def reach(self) -> int:
        """Number of planes that the network sees on either side of a plane."""
        return self.model.shape.frames // 2

    @property
    def sees_neighbours(self) -> bool:
        """Whether it is a network for planes of stacks with their neighbours, not for single planes."""
        return self.reach > 0

    def on_scale(self, scale: Scale, plane: torch.Tensor) -> Network:
        """Return the network for a plane (H, W), ADU, whose noise is one on a scale."""
        centre = _median_units(scale, plane)
        return Network(
            model=self.model,
            method="pretrained",
            preset="pretrained",
            seed=0,
            steps=0,
            scale=replace(scale, centre=centre, spread=self.spread),
            symmetries=SYMMETRIES,
        )

    def to_bytes(self) -> bytes:
        """Serialise as safetensors, weights in half precision, with the description as JSON metadata."""
        weights = {name: values.half() for name, values in self.model.state_dict().items()}
        description = {
            "format": _FORMAT,
            "shape": shape_parameters(self.model.shape),
            "spread": self.spread,
            "provenance": dict(self.provenance),
        }
        return serialise(weights, description)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Inverse of `to_bytes`; raise NetworkInvalidError for other content."""
        try:
            weights, description = deserialise(content)
            if description.get("format") != _FORMAT:
                raise NetworkInvalidError(f"format {description.get('format')!r}, expected {_FORMAT!r}")
            model = restore_model(shape_from(description["shape"]), weights)
            if not isinstance(model, UNet):
                raise NetworkInvalidError("a pretrained network must be a U-Net")
            return cls(
                model=model,
                spread=float(description["spread"]),
                digest=hashlib.sha256(content).hexdigest()[:8],
                provenance=dict(description["provenance"]),
            )
        except CheckpointInvalidError as error:
            raise NetworkInvalidError(error.detail) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise NetworkInvalidError(f"incomplete or inconsistent description: {error!r}") from error


def _median_units(scale: Scale, plane: torch.Tensor) -> float:
    """Return the median of the finite pixels in units of the noise, or 0; the lower one of two."""
    units = np.empty(int(plane.isfinite().sum()), dtype=np.float32)
    done = 0
    for rows in strips(plane.shape):
        part = plane[rows]
        found = scale.noise_units(part[part.isfinite()]).numpy()
        units[done : done + found.size] = found
        done += found.size
    if not units.size:
        return 0.0
    units.partition(middle := (units.size - 1) // 2)
    return float(units[middle])


def is_pretrained(content: bytes) -> bool:
    """Return whether a network's file is of a pretrained one; raise CheckpointInvalidError if it is none."""
    return bool(deserialise(content)[1].get("format") == _FORMAT)


@cache
def packaged_network() -> PretrainedNetwork:
    """Return the network that comes with ClearScope, shared within the process."""
    return _packaged(_PACKAGED)


@cache
def packaged_stack_network() -> PretrainedNetwork:
    """Return the network for planes with neighbours that comes with ClearScope."""
    return _packaged(_PACKAGED_OF_STACKS)


def packaged_sha256(*, of_stacks: bool = False) -> str:
    """Return the digest of a packaged network's file."""
    name = _PACKAGED_OF_STACKS if of_stacks else _PACKAGED
    return hashlib.sha256(resources.files(__package__).joinpath(name).read_bytes()).hexdigest()


def _packaged(name: str) -> PretrainedNetwork:
    return PretrainedNetwork.from_bytes(resources.files(__package__).joinpath(name).read_bytes())
