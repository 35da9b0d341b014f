"""Simulated fluorescence specimens, blurred by a point spread function."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

FloatImage = NDArray[np.float64]

# Pixels per object, with at least one object of each kind, so that the density does not depend on the size.
_PIXELS_PER_NUCLEUS = 128**2
_PIXELS_PER_FILAMENT = 64**2
_PIXELS_PER_SPOT = 40**2
_PIXELS_PER_PLANT_CELL = 22**2

Structures = Literal["mixed", "nuclei", "filaments", "plant tissue"]
"""`mixed`: nuclei, filaments and spots together."""


def simulate_specimen(
    shape_yx: tuple[int, int],
    *,
    seed: int,
    structures: Structures = "mixed",
    psf_sigma_px: float = 1.4,
    background: float = 0.02,
) -> FloatImage:
    """Return the relative brightness (Y, X) of a specimen, `background` .. 1, to be scaled by peak photons.

    The point spread function is approximated by a Gaussian, accurate to a few percent in the focal plane of a
    widefield microscope (Zhang et al. 2007, Applied Optics 46, 1819).
    """
    rng = np.random.default_rng(seed)
    blurred = ndimage.gaussian_filter(_draw(structures, shape_yx, rng), psf_sigma_px)
    blurred *= (1 - background) / max(float(blurred.max()), 1e-12)
    return blurred + background


def _draw(structures: Structures, shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    if structures == "mixed":
        return 0.5 * _nuclei(shape_yx, rng) + _filaments(shape_yx, rng) + _spots(shape_yx, rng)
    kinds = {"nuclei": _nuclei, "filaments": _filaments, "plant tissue": _cell_walls}
    in_focus = kinds[structures](shape_yx, rng)
    return _uneven(in_focus + 0.15 * _haze(shape_yx, rng), rng) + 0.3 * _spots(shape_yx, rng)


def _haze(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Return an out-of-focus background of about 1."""
    haze = ndimage.gaussian_filter(rng.standard_normal(shape_yx), 2.0)
    return np.asarray((1 + 0.5 * haze / max(float(haze.std()), 1e-12)).clip(0))


def _uneven(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Multiply by uneven staining down to the resolution; smooth specimens would be too easy to learn."""
    grain = ndimage.gaussian_filter(rng.standard_normal(image.shape), 0.7)
    return np.asarray(image * np.exp(0.8 * grain / max(float(grain.std()), 1e-12)))


def _nuclei(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Draw ellipses with a soft edge and mottled interior, like chromatin."""
    image = np.zeros(shape_yx)
    y, x = np.indices(shape_yx, dtype=np.float64)
    mottle = ndimage.gaussian_filter(rng.standard_normal(shape_yx), 3.0)
    mottle = 1 + 0.25 * mottle / max(float(mottle.std()), 1e-12)
    for _ in range(_number(shape_yx, _PIXELS_PER_NUCLEUS)):
        centre_y, centre_x = rng.uniform(0, shape_yx[0]), rng.uniform(0, shape_yx[1])
        radius, stretch, angle = rng.uniform(14, 24), rng.uniform(0.65, 1.0), rng.uniform(0, np.pi)
        along = (y - centre_y) * np.sin(angle) + (x - centre_x) * np.cos(angle)
        across = (y - centre_y) * np.cos(angle) - (x - centre_x) * np.sin(angle)
        distance_px = np.hypot(along, across / stretch) - radius
        image += rng.uniform(0.4, 1.0) / (1 + np.exp(np.clip(distance_px, -50, 50))) * mottle.clip(0)
    return image


def _filaments(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Draw random walks with slowly varying direction, one step per half pixel."""
    image = np.zeros(shape_yx)
    steps = 2 * max(shape_yx)
    for _ in range(_number(shape_yx, _PIXELS_PER_FILAMENT)):
        turns = ndimage.gaussian_filter1d(rng.standard_normal(steps), 20.0)
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(0.15 * turns)
        path_y = rng.uniform(0, shape_yx[0]) + np.cumsum(0.5 * np.sin(heading))
        path_x = rng.uniform(0, shape_yx[1]) + np.cumsum(0.5 * np.cos(heading))
        _deposit(image, path_y, path_x, rng.uniform(0.15, 0.6) / 2)
    return image


def _cell_walls(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Draw walls of uneven thickness and brightness between random cells, like a plant section."""
    number = max(2, _number(shape_yx, _PIXELS_PER_PLANT_CELL))
    centres = rng.uniform(0, 1, (number, 2)) * shape_yx
    pixels = np.indices(shape_yx, dtype=np.float64).reshape(2, -1).T
    nearest, _ = KDTree(centres).query(pixels, k=2)
    to_wall_px = (np.diff(np.asarray(nearest), axis=1) / 2).reshape(shape_yx)
    uneven = ndimage.gaussian_filter(rng.standard_normal(shape_yx), 12.0)
    uneven /= max(float(uneven.std()), 1e-12)
    brightness = ndimage.gaussian_filter(rng.standard_normal(shape_yx), 5.0)
    brightness = 1 + 0.3 * brightness / max(float(brightness.std()), 1e-12)
    thickness_px = (1.2 + 0.4 * uneven).clip(0.5)
    return np.asarray(np.exp(-((to_wall_px / thickness_px) ** 2)) * brightness.clip(0.1))


def _spots(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Draw spots smaller than the resolution, like vesicles."""
    image = np.zeros(shape_yx)
    number = _number(shape_yx, _PIXELS_PER_SPOT)
    places = rng.uniform(0, 1, (2, number))
    _deposit(image, places[0] * shape_yx[0], places[1] * shape_yx[1], rng.uniform(1.0, 6.0, number))
    return image


def _deposit(image: FloatImage, y: FloatImage, x: FloatImage, brightness: float | FloatImage) -> None:
    """Add the brightness of points to their pixels; points outside the image are dropped."""
    row, column = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    inside = (row >= 0) & (row < image.shape[0]) & (column >= 0) & (column < image.shape[1])
    weight = np.broadcast_to(np.asarray(brightness), row.shape)
    np.add.at(image, (row[inside], column[inside]), weight[inside])


def _number(shape_yx: tuple[int, int], pixels_per_object: int) -> int:
    return max(1, round(shape_yx[0] * shape_yx[1] / pixels_per_object))
