"""Whether a job's planes can be denoised with the help of their neighbours."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork, packaged_stack_network
from worker.engine.planes.neighbours import Stack
from worker.engine.planes.sequence import middle_window
from worker.engine.prediction.choice import WINDOW_PX, NetworkFor, NetworkInStack
from worker.engine.stages.stacks import beside, shared_noise

_TOLERATED = 0.05
"""Share of the noise variance that neighbours may have in common, as gains and offsets differ by pixel."""


@dataclass(frozen=True, eq=False)
class StackCandidate:
    """The estimate from neighbouring planes, if it may compete, and what has to be said of it."""

    network: PretrainedNetwork | None = None
    in_stack: NetworkInStack | None = None
    reservation: str = ""

    @classmethod
    def of(cls, planes: Stack, network_for: NetworkFor, device: torch.device) -> "StackCandidate":
        """Return the candidate for planes whose networks for single planes are known."""
        shared = shared_noise(planes, network_for, device=device)
        if shared is None:
            return cls()
        if shared > _TOLERATED:
            return cls(
                reservation=f"; neighbouring planes do not help: {100 * shared:.0f} % of the variance of "
                "their noise is the same in each (a fixed pattern, or planes averaged or interpolated)"
            )
        stack = packaged_stack_network()
        return cls(stack, _in_stack(planes, network_for, stack))


def _in_stack(
    planes: Stack, network_for: Callable[[np.ndarray], Network], stack: PretrainedNetwork
) -> NetworkInStack:
    def of_plane(index: int) -> NetworkFor:
        neighbours = {
            offset: middle_window(yx, WINDOW_PX)
            for offset, yx in planes.neighbours(index, stack.reach).items()
        }
        return lambda plane_yx: beside(stack, network_for(plane_yx), plane_yx, neighbours)

    return of_plane
