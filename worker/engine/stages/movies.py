"""Movies to adapt a network to: estimates of planes that lie beside each other."""

import math
from collections.abc import Callable

import numpy as np
import torch

from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.planes.neighbours import IndexedStack, Neighbours
from worker.engine.planes.sequence import spread_indices
from worker.engine.stages.pretrained import estimate_alone
from worker.engine.stages.stacks import beside
from worker.engine.training.movies import TrainingMovie
from worker.engine.training.presets import TrainingPreset

_PLANES = 16
"""Planes of a movie: those in the middle have all the neighbours that the network sees."""
_WINDOW_PX = 512
"""Side of the part of large planes that is learned from: planes that follow each other tell more."""


def estimated_movies(
    planes: IndexedStack,
    network_for: Callable[[np.ndarray], Network],
    stack: PretrainedNetwork,
    preset: TrainingPreset,
    *,
    seed: int,
    device: torch.device,
    on_plane: Callable[[int, int], None],
) -> list[TrainingMovie]:
    """Return parts of stacks as movies, spread over all planes, with about as many pixels as the preset has.

    Planes are estimated with their neighbours; `network_for` returns the network for a plane alone.
    """
    rng = np.random.default_rng(seed)
    side_px = tuple(min(size, _WINDOW_PX) for size in planes[0].shape)
    runs = _runs(planes, max(preset.training_px // (_PLANES * math.prod(side_px)), 1))
    count, done, movies = sum(map(len, runs)), 0, []
    for run in runs:
        window = _window(planes[run[0]].shape, rng)
        frames = []
        for index in run:
            frames.append(torch.from_numpy(_estimate(planes, index, window, network_for, stack, device)))
            done += 1
            on_plane(done, count)
        movies.append(TrainingMovie.of(torch.stack(frames), preset.patch_px))
    return [movie for movie in movies if movie.pixels]


def _runs(planes: IndexedStack, count: int) -> list[list[int]]:
    """Return the indices of at most `count` runs of planes that lie beside each other, none of them twice."""
    runs: list[list[int]] = []
    seen: set[int] = set()
    for start in range(len(planes)):
        if start in seen:
            continue
        beside = {0: start, **planes.places_beside(start, _PLANES - 1)}
        run = [beside[offset] for offset in range(_PLANES) if offset in beside]
        seen.update(run)
        runs.append(run)
    return [runs[number] for number in spread_indices(len(runs), count)]


def _window(shape_yx: tuple[int, ...], rng: np.random.Generator) -> tuple[slice, slice]:
    top, left = (int(rng.integers(max(size - _WINDOW_PX, 0) + 1)) for size in shape_yx)
    return slice(top, top + _WINDOW_PX), slice(left, left + _WINDOW_PX)


def _estimate(
    planes: IndexedStack,
    index: int,
    window: tuple[slice, slice],
    network_for: Callable[[np.ndarray], Network],
    stack: PretrainedNetwork,
    device: torch.device,
) -> np.ndarray:
    """Return the estimate of a part of a plane, float32 (Y, X) in ADU; NaN where there is no observation."""
    plane_yx = planes[index]
    part_yx = plane_yx[window]
    known_yx = np.isfinite(part_yx)
    if not known_yx.any():
        return np.full(part_yx.shape, np.nan, dtype=np.float32)
    neighbours: Neighbours = {
        offset: yx[window] for offset, yx in planes.neighbours(index, stack.reach).items()
    }
    network = beside(stack, network_for(plane_yx), part_yx, neighbours)
    signal_yx = estimate_alone(network, part_yx, device=device)
    return np.where(known_yx, signal_yx, np.float32(np.nan))
