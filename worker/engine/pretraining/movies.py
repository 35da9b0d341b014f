"""Random exposures of movies: what the planes beside a plane may hold, and which of them may be missing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from worker.engine.pretraining.exposures import Exposure, expose_part
from worker.engine.simulation.chance import happens
from worker.engine.simulation.movies import Layer, brightness, record, spline_of

FloatImage = NDArray[np.float64]

_LAYERS_SHARES = (0.55, 0.3, 0.15)
_LIGHT_OF_OTHERS = (0.1, 1.0)
_SHUFFLED_SHARE, _UNRELATED_SHARE = 0.08, 0.12
_SHUFFLED_TIMES = 12
_EXPOSURES_SHARE, _EXPOSURES_STD = 0.3, 0.15
_MISSING_SHARE = 0.35


def draw_layers(rng: np.random.Generator) -> int:
    """Return the number of layers of a movie."""
    return int(rng.choice(len(_LAYERS_SHARES), p=_LAYERS_SHARES)) + 1


def expose_movie(
    scenes: Sequence[FloatImage],
    unrelated: FloatImage,
    side_px: int,
    reach: int,
    rng: np.random.Generator,
) -> Exposure:
    """Expose `reach` frames before and after a frame of a movie whose layers are scenes (Y, X).

    All or some neighbours may show the unrelated scene in place of the movie, or be missing (NaN).
    """
    frames = 2 * reach + 1
    layers = [Layer(spline_of(scene), brightness(frames, rng)) for scene in scenes]
    for layer in layers[1:]:
        layer.light_t[:] *= rng.uniform(*_LIGHT_OF_OTHERS)
    times = np.arange(-reach, reach + 1)
    if happens(_SHUFFLED_SHARE, rng):
        times = rng.integers(-_SHUFFLED_TIMES, _SHUFFLED_TIMES + 1, frames)
        times[reach] = 0
    origin_px = tuple(rng.integers(0, np.array(scenes[0].shape) - side_px + 1))
    light_tyx = record(layers, origin_px, side_px, times.tolist(), rng)
    if happens(_UNRELATED_SHARE, rng):
        replaced = rng.uniform(0, 1, frames) < rng.uniform(0.3, 2)
        replaced[reach] = False
        light_tyx[replaced] = unrelated[:side_px, :side_px]
    if happens(_EXPOSURES_SHARE, rng):
        light_tyx *= rng.lognormal(0, _EXPOSURES_STD, (frames, 1, 1))
    middle = sum(layer.light_t[reach] * scene for layer, scene in zip(layers, scenes, strict=True))
    exposure = expose_part(light_tyx, np.asarray(middle), rng)
    if happens(_MISSING_SHARE, rng):
        exposure = replace(exposure, observation=exposure.observation.astype(np.float32))
        exposure.observation[_missing(reach, rng)] = np.nan
    return exposure


def _missing(reach: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which frames are missing: those beyond the ends of a stack, or lost ones."""
    first, last = (int(rng.integers(0, 2 * reach + 1)) for _ in range(2))
    offsets = np.arange(-reach, reach + 1)
    lost = rng.uniform(0, 1, offsets.size) < rng.choice([0.0, 0.3])
    return np.asarray(((offsets < -first) | (offsets > last) | lost) & (offsets != 0))
