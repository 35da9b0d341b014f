"""Whether a job's planes can be denoised with the help of their neighbours, and why not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch

from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.planes.neighbours import Neighbours, Stack
from worker.engine.planes.sequence import middle_window
from worker.engine.prediction.choice import WINDOW_PX, Choice, NetworkFor, NetworkInStack
from worker.engine.stages.stacks import among, beside, shared_noise

_TOLERATED = 0.05
"""Share of the noise variance that neighbours may have in common, as gains and offsets differ by pixel."""

_NO_HELP = "; neighbouring planes do not help: "


@dataclass(frozen=True, eq=False)
class StackCandidate:
    """The estimate from neighbouring planes, if it may compete, and what has to be said of it."""

    network: PretrainedNetwork | None = None
    in_stack: NetworkInStack | None = None
    why_not: str = ""
    """Why it does not compete although planes have neighbours."""
    _seen: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Neighbours of each judged plane, and those of like exposure."""

    @classmethod
    def of(
        cls,
        planes: Stack,
        network_for: NetworkFor,
        load_stack: Callable[[], PretrainedNetwork],
        device: torch.device,
        why_alone: Iterable[str] = (),
    ) -> "StackCandidate":
        """Return the candidate for planes whose networks for single planes are known.

        `load_stack` returns the network that sees planes with their neighbours. `why_alone`: why planes that
        lie beside each other are not offered as neighbours, of each image.
        """
        shared = shared_noise(planes, network_for, device=device)
        if shared is None:
            return cls(why_not=" and ".join(sorted({why for why in why_alone if why})))
        if shared > _TOLERATED:
            return cls(
                why_not=f"{100 * shared:.0f} % of the variance of their noise is the same in each (a fixed "
                "pattern, or planes averaged or interpolated)"
            )
        stack, seen = load_stack(), dict[int, tuple[int, int]]()
        return cls(stack, _in_stack(planes, network_for, stack, seen), _seen=seen)

    def adapted(self, network: Network | None, planes: Stack) -> NetworkInStack | None:
        """Return a network that was adapted to stacks among the neighbours of planes, if it may compete."""
        if network is None or not network.reach or self.network is None:
            return None
        return _among_neighbours(planes, network)

    def reservation(self, choice: Choice, *, adapted: bool = False) -> str:
        """Return what has to be said of the neighbours beside the reason for the choice.

        `adapted`: whether the distilled network sees neighbours too.
        """
        if self.why_not:
            return _NO_HELP + self.why_not
        neighbours, alike = (sum(counts) for counts in zip((0, 0), *self._seen.values(), strict=True))
        if neighbours == 0:
            return ""
        exposure = "more than twice or less than half of the light of the plane beside them"
        if alike == 0:
            return f"{_NO_HELP}they have {exposure}"
        scores = choice.scores
        other = ""
        if alike < neighbours:
            other = (
                f"; {neighbours - alike} of the {neighbours} neighbours of the judged planes are left out: "
                f"they have {exposure}"
            )
        helped = choice.estimate in ({"pretrained_stack", "distilled"} if adapted else {"pretrained_stack"})
        if not helped and scores["pretrained_stack"] > scores["pretrained"]:
            return f"{_NO_HELP}they show too much else (they moved too far, or are unrelated){other}"
        return other


def _among_neighbours(planes: Stack, network: Network) -> NetworkInStack:
    """Return a network that was adapted to stacks as it sees planes among their neighbours."""

    def of_plane(index: int) -> NetworkFor:
        neighbours = _windows_beside(planes, index, network.reach)
        return lambda plane_yx: among(network, plane_yx, neighbours)

    return of_plane


def _in_stack(
    planes: Stack,
    network_for: Callable[[np.ndarray], Network],
    stack: PretrainedNetwork,
    seen: dict[int, tuple[int, int]],
) -> NetworkInStack:
    def of_plane(index: int) -> NetworkFor:
        neighbours = _windows_beside(planes, index, stack.reach)

        def in_stack(plane_yx: np.ndarray) -> Network:
            network = beside(stack, network_for(plane_yx), plane_yx, neighbours)
            seen[index] = len(neighbours), network.neighbours
            return network

        return in_stack

    return of_plane


def _windows_beside(planes: Stack, index: int, reach: int) -> Neighbours:
    """Return the parts of the planes beside a plane that are judged."""
    beside_it = planes.neighbours(index, reach)
    return {offset: middle_window(yx, WINDOW_PX) for offset, yx in beside_it.items()}
