"""An optimiser's moments as named tensors, for checkpoints."""

import torch
from torch import Tensor

from worker.engine.networks.checkpoint import within

_PREFIX = "optimiser."


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Everything that steps have left, by names that begin with `optimiser.`."""
    state = optimiser.state_dict()["state"]
    return {
        f"{_PREFIX}{index}.{name}": values
        for index, moments in state.items()
        for name, values in moments.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Inverse of `optimiser_tensors`; ValueError where the tensors are not those of this optimiser."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, values in within(tensors, _PREFIX).items():
        index, moment = name.split(".")
        state.setdefault(int(index), {})[moment] = values
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
    for weights, moments in optimiser.state.items():
        # A fused step takes them to lie in memory as their weights do, and files know of one order only.
        shaped = {name: values for name, values in moments.items() if values.shape == weights.shape}
        moments |= {name: torch.empty_like(weights).copy_(values) for name, values in shaped.items()}
