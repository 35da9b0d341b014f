"""Files of pretrained networks, as `clearscope pretrain` writes them; read without the engine."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from models_store.contracts.vocabulary import Method
from models_store.errors import NetworkFileInvalidError
from models_store.network_files.unet_weights import weight_shapes

MAX_FILE_BYTES = 32 << 20
MAX_FRAMES = 15
"""Most planes that a network may see at once: a job keeps as many of them in memory."""

_LENGTH_BYTES = 8


def _require_a_middle(frames: int) -> int:
    if frames % 2 == 0:
        raise ValueError("must be odd: a plane has as many neighbours on either side")
    return frames


class UNetDescription(BaseModel):
    """Size of a network, within what workers load; with several `frames`, it sees planes with neighbours."""

    model_config = ConfigDict(extra="forbid", strict=True)

    architecture: Literal["unet"]
    features: Annotated[int, Field(ge=4, le=128)]
    depth: Annotated[int, Field(ge=1, le=6)]
    outputs: Literal[1]
    global_skip: Literal[True]
    frames: Annotated[int, Field(ge=1, le=MAX_FRAMES), AfterValidator(_require_a_middle)] = 1


class PretrainedDescription(BaseModel):
    """What the file says of its network."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["clearscope-pretrained-1"]
    shape: UNetDescription
    spread: Annotated[float, Field(gt=0, le=1000)]
    provenance: dict[str, Any]


@dataclass(frozen=True)
class PretrainedFile:
    """A checked file: its description, and the digest that names its weights."""

    description: PretrainedDescription
    digest: str

    @property
    def method(self) -> Method:
        """The method of a network for single planes, or of one for planes with neighbours."""
        return Method.PRETRAINED if self.description.shape.frames == 1 else Method.PRETRAINED_STACK


def read_pretrained(content: bytes) -> PretrainedFile:
    """Check the file of a pretrained network. Raises NetworkFileInvalidError for any other file."""
    try:
        weights = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise NetworkFileInvalidError(
            f"the file is no safetensors file, as clearscope pretrain writes them: {error}"
        ) from error
    description = _description(content)
    _require_weights(weights, description.shape)
    return PretrainedFile(description, hashlib.sha256(content).hexdigest()[:8])


def _description(content: bytes) -> PretrainedDescription:
    # `load` has checked the header, but does not return the text in it.
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    texts = json.loads(content[_LENGTH_BYTES:end]).get("__metadata__", {})
    try:
        described = json.loads(texts.get("description", "null"), parse_constant=_refuse_number)
    except (ValueError, RecursionError) as error:
        raise NetworkFileInvalidError("the description of the network is no JSON") from error
    if not isinstance(described, dict) or described.get("format") != "clearscope-pretrained-1":
        raise NetworkFileInvalidError(
            "the file holds no pretrained network; networks trained on images belong to their jobs, import "
            "one that clearscope pretrain wrote"
        )
    if "\\u0000" in json.dumps(described):
        raise NetworkFileInvalidError("the description of the network has a null character")
    try:
        return PretrainedDescription.model_validate(described)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise NetworkFileInvalidError(f"the description of the network is invalid: {problems}") from error


def _refuse_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _require_weights(weights: Mapping[str, NDArray[Any]], shape: UNetDescription) -> None:
    expected = weight_shapes(shape.features, shape.depth, shape.frames)
    if {name: values.shape for name, values in weights.items()} != expected:
        planes = f"planes with {shape.frames - 1} neighbours" if shape.frames > 1 else "single planes"
        raise NetworkFileInvalidError(
            f"the weights do not fit a U-Net for {planes} of {shape.depth} levels with {shape.features} "
            "features"
        )
    for name, values in weights.items():
        if values.dtype.kind != "f" or not np.isfinite(values).all():
            raise NetworkFileInvalidError(f"weights must be finite numbers; those of {name} are not")
