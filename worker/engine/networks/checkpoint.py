"""Serialisation of tensors with a JSON description (safetensors, no pickle), and the checkpoint store."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from worker.engine.errors import CheckpointInvalidError

_HEADER_LENGTH_BYTES = 8
_DESCRIPTION_KEY = "description"


class CheckpointStore(Protocol):
    """Store of the latest checkpoint of one run."""

    def load(self) -> bytes | None:
        """Return the last checkpoint saved, or None."""
        ...

    def save(self, content: bytes) -> None:
        """Replace the checkpoint atomically."""
        ...


def serialise(tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> bytes:
    """Return tensors and a JSON-serialisable description as the bytes of a safetensors file."""
    portable = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return safetensors.torch.save(portable, {_DESCRIPTION_KEY: json.dumps(description)})


def deserialise(content: bytes) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Inverse of `serialise`; raise CheckpointInvalidError for other content."""
    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointInvalidError(f"not a safetensors file: {error}") from error
    # `load` has validated the header, but safetensors exposes metadata only for files on disk.
    header_end = _HEADER_LENGTH_BYTES + int.from_bytes(content[:_HEADER_LENGTH_BYTES], "little")
    metadata = json.loads(content[_HEADER_LENGTH_BYTES:header_end]).get("__metadata__", {})
    try:
        description = json.loads(metadata.get(_DESCRIPTION_KEY, ""))
    except ValueError as error:
        raise CheckpointInvalidError("a safetensors file without a description of its content") from error
    if not isinstance(description, dict):
        raise CheckpointInvalidError("the description of a safetensors file must be a JSON object")
    return tensors, description


def strip_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with a prefix, by their names without it."""
    return {name.removeprefix(prefix): values for name, values in tensors.items() if name.startswith(prefix)}
