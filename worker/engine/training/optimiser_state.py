"""Optimiser state as named tensors, for checkpoints."""

import torch
from torch import Tensor

from worker.engine.networks.checkpoint import strip_prefix

_PREFIX = "optimiser."


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's state, by names with the prefix `optimiser.`."""
    state = optimiser.state_dict()["state"]
    return {
        f"{_PREFIX}{index}.{name}": values
        for index, moments in state.items()
        for name, values in moments.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Inverse of `optimiser_tensors`; raise ValueError if the tensors do not fit this optimiser."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, values in strip_prefix(tensors, _PREFIX).items():
        index, moment = name.split(".")
        state.setdefault(int(index), {})[moment] = values
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
    for weights, moments in optimiser.state.items():
        # A fused step expects moments in the memory layout of their weights; files store one layout only.
        shaped = {name: values for name, values in moments.items() if values.shape == weights.shape}
        moments |= {name: torch.empty_like(weights).copy_(values) for name, values in shaped.items()}
