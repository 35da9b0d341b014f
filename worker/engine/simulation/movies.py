"""Movies of simulated scenes: layers that move, flicker and blink, and stacks that go through focus."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from worker.engine.simulation.chance import happens

FloatImage = NDArray[np.float64]

_SPLINE_ORDER: Final = 3

_MOVING_SHARE, _ROTATING_SHARE, _SHAKING_SHARE = 0.75, 0.15, 0.2
_SPEED_PX = (0.05, 4.0)
_TURN_RAD = 0.04
_SHAKE_PX = 1.0

_FLICKERING_SHARE, _BLINKING_SHARE, _FOCUS_SHARE = 0.25, 0.15, 0.12
_FLICKER = (0.05, 0.6)
_DEFOCUS_PX = (0.3, 2.0)


@dataclass(frozen=True)
class Layer:
    """A scene (Y, X) as coefficients of a cubic spline, and its brightness in each frame of a movie."""

    coefficients_yx: NDArray[np.float32]
    light_t: FloatImage


def spline_of(scene_yx: FloatImage) -> NDArray[np.float32]:
    """Return a scene (Y, X) as coefficients of a cubic spline, so that it can be moved by parts of pixels."""
    return ndimage.spline_filter(scene_yx, _SPLINE_ORDER, mode="mirror").astype(np.float32)


def brightness(frames: int, rng: np.random.Generator) -> FloatImage:
    """Return the brightness of a layer in each frame: steady, flickering, or on in some frames only."""
    light_t = np.ones(frames)
    if happens(_FLICKERING_SHARE, rng):
        light_t *= rng.lognormal(0, rng.uniform(*_FLICKER), frames)
    if happens(_BLINKING_SHARE, rng):
        light_t *= rng.uniform(0, 1, frames) < rng.uniform(0.1, 0.9)
    return light_t


def record(
    layers: Sequence[Layer],
    origin_px: tuple[float, float],
    side_px: int,
    times: Sequence[float],
    rng: np.random.Generator,
) -> FloatImage:
    """Return the light (T, Y, X) of layers that move apart, at some times; at time 0 they are at the origin.

    The layers of some movies lie still at different depths, and the times are positions of the focus.
    """
    through_focus = happens(_FOCUS_SHARE, rng)
    shake_px = rng.uniform(0.1, _SHAKE_PX) if happens(_SHAKING_SHARE, rng) else 0.0
    shake_tyx = rng.normal(0, shake_px, (len(times), 2))
    movie_tyx = np.zeros((len(times), side_px, side_px))
    for layer in layers:
        if through_focus:
            light_tyx = _through_focus(layer, origin_px, side_px, times, rng)
        else:
            light_tyx = _moved(layer, origin_px, side_px, times, shake_tyx, rng)
        movie_tyx += layer.light_t[:, None, None] * light_tyx
    return movie_tyx.clip(0)


def _moved(
    layer: Layer,
    origin_px: tuple[float, float],
    side_px: int,
    times: Sequence[float],
    shake_tyx: FloatImage,
    rng: np.random.Generator,
) -> FloatImage:
    velocity = np.zeros(2)
    if happens(_MOVING_SHARE, rng):
        speed_px, heading = np.exp(rng.uniform(*np.log(_SPEED_PX))), rng.uniform(0, 2 * np.pi)
        velocity = speed_px * np.array([np.sin(heading), np.cos(heading)])
    starts = np.asarray(origin_px) + velocity * np.asarray(times)[:, None] + shake_tyx
    if happens(_ROTATING_SHARE, rng):
        turn_rad = rng.normal(0, _TURN_RAD)
        frames = [
            _turned(layer, start, side_px, turn_rad * time) for start, time in zip(starts, times, strict=True)
        ]
    else:
        frames = [_shifted(layer, start, side_px) for start in starts]
    return np.stack(frames)


def _through_focus(
    layer: Layer,
    origin_px: tuple[float, float],
    side_px: int,
    times: Sequence[float],
    rng: np.random.Generator,
) -> FloatImage:
    depth = rng.uniform(-len(times) / 2, len(times) / 2)
    blur_px = rng.uniform(*_DEFOCUS_PX)
    sharp = _shifted(layer, np.asarray(origin_px), side_px)
    return np.stack([ndimage.gaussian_filter(sharp, blur_px * abs(time - depth)) for time in times])


def _shifted(layer: Layer, start_yx: FloatImage, side_px: int) -> FloatImage:
    """Return the square of a layer that begins at a place between pixels."""
    coefficients_yx = layer.coefficients_yx
    rows, columns = (
        _spline_weights(start, side_px, size)
        for start, size in zip(start_yx, coefficients_yx.shape, strict=True)
    )
    return np.asarray(rows @ coefficients_yx @ columns.T)


def _spline_weights(start: float, count: int, size: int) -> NDArray[np.float32]:
    """Return the weights (count, size) of a cubic spline's coefficients at `start`, `start` + 1, ..."""
    first = int(np.floor(start))
    part = start - first
    taps = [(1 - part) ** 3, 4 - 6 * part**2 + 3 * part**3, 1 + 3 * part + 3 * part**2 - 3 * part**3, part**3]
    weights = np.zeros((count, size), dtype=np.float32)
    places = np.arange(count)
    for offset, tap in enumerate(taps, start=first - 1):
        # Beyond the border the scene is mirrored.
        inside = np.abs(places + offset)
        inside = np.where(inside >= size, 2 * (size - 1) - inside, inside)
        np.add.at(weights, (places, inside), tap / 6)
    return weights


def _turned(layer: Layer, start_yx: FloatImage, side_px: int, angle_rad: float) -> FloatImage:
    """Return the square of a layer, turned about its centre."""
    centre = (side_px - 1) / 2
    y, x = np.mgrid[:side_px, :side_px] - centre
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    turned_yx = (cos * y - sin * x, sin * y + cos * x)
    places = np.stack([turn + centre + start for turn, start in zip(turned_yx, start_yx, strict=True)])
    turned = np.empty((side_px, side_px))
    ndimage.map_coordinates(
        layer.coefficients_yx, places, output=turned, order=_SPLINE_ORDER, prefilter=False, mode="mirror"
    )
    return turned
