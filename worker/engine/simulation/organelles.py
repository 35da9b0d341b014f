"""Parts of cells: fibres, mitochondria, vesicles, membranes and points, before any blur."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from worker.engine.simulation.chance import happens

FloatImage = NDArray[np.float64]

_STEP_PX = 0.5


def fibres(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Return thin, slightly bent fibres with a common direction or none, like actin."""
    image = np.zeros(shape_yx)
    main, spread = rng.uniform(0, np.pi), rng.choice([0.1, 0.4, np.pi])
    for _ in range(rng.integers(10, 150)):
        bend = rng.uniform(0, 0.02)
        _walk(
            image,
            rng,
            heading=main + spread * rng.standard_normal(),
            bend=bend,
            length_px=rng.uniform(20, 250),
        )
    return image


def mitochondria(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Return short, thick, strongly bent rods, filled or as hollow tubes."""
    image = np.zeros(shape_yx)
    for _ in range(rng.integers(10, 120)):
        _walk(
            image,
            rng,
            heading=rng.uniform(0, 2 * np.pi),
            bend=rng.uniform(0.05, 0.2),
            length_px=rng.uniform(5, 50),
        )
    width_px = rng.uniform(0.8, 3.0)
    thick = ndimage.gaussian_filter(image, width_px)
    filled = np.minimum(thick, np.quantile(thick, 0.97))
    return np.asarray(
        filled if happens(0.6, rng) else (filled - 0.7 * ndimage.gaussian_filter(image, width_px / 2)).clip(0)
    )


def vesicles(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Return discs and rings of different sizes, which add up."""
    image = np.zeros(shape_yx)
    largest_px = rng.uniform(2, 20)
    for _ in range(rng.integers(5, 100)):
        radius, width_px = rng.uniform(1, largest_px), rng.uniform(0.5, 1.5)
        reach = int(radius + 4 * width_px) + 1
        centre_y, centre_x = rng.uniform(0, shape_yx[0]), rng.uniform(0, shape_yx[1])
        top, left = max(int(centre_y) - reach, 0), max(int(centre_x) - reach, 0)
        part = image[top : int(centre_y) + reach, left : int(centre_x) + reach]
        y, x = np.ogrid[: part.shape[0], : part.shape[1]]
        distance_px = np.hypot(y + top - centre_y, x + left - centre_x) - radius
        ring = np.exp(-((distance_px / width_px) ** 2))
        disc = 1 / (1 + np.exp(np.clip(distance_px / (width_px / 2), -50, 50)))
        part += rng.uniform(0.2, 1) * (ring if happens(0.5, rng) else disc)
    return image


def cells(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Return cells with a textured plasma, a bright membrane or none, and a dark or bright nucleus."""
    image = np.zeros(shape_yx)
    outline = ndimage.gaussian_filter(rng.standard_normal(shape_yx), rng.uniform(6, 14))
    outline /= max(float(outline.std()), 1e-12)
    grain = ndimage.gaussian_filter(rng.standard_normal(shape_yx), rng.uniform(0.8, 3))
    grain = 1 + rng.uniform(0, 0.6) * grain / max(float(grain.std()), 1e-12)
    plasma = 1 / (1 + np.exp(-rng.uniform(3, 20) * (outline - rng.uniform(-0.5, 0.8))))
    image += plasma * grain.clip(0.05)
    nucleus = 1 / (1 + np.exp(-rng.uniform(3, 20) * (outline - rng.uniform(1.2, 1.8))))
    image *= 1 + rng.uniform(-0.95, 2) * nucleus
    if happens(0.4, rng):
        membrane = np.exp(-(((outline - rng.uniform(-0.3, 0.5)) / rng.uniform(0.03, 0.15)) ** 2))
        image += rng.uniform(0.3, 2) * membrane
    return image.clip(0)


def points(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Return points far smaller than a pixel, scattered or in clouds, of log-normal brightness."""
    image = np.zeros(shape_yx)
    number = int(np.exp(rng.uniform(np.log(10), np.log(2000))))
    places = rng.uniform(0, 1, (2, number)) * np.array(shape_yx)[:, None]
    if happens(0.5, rng):
        clouds = rng.uniform(0, 1, (2, 8)) * np.array(shape_yx)[:, None]
        places = clouds[:, rng.integers(0, 8, number)] + rng.normal(0, rng.uniform(3, 30), (2, number))
    row, column = np.floor(places).astype(np.int64)
    inside = (row >= 0) & (row < shape_yx[0]) & (column >= 0) & (column < shape_yx[1])
    np.add.at(image, (row[inside], column[inside]), rng.lognormal(0, rng.uniform(0, 1), number)[inside])
    return image


def _walk(
    image: FloatImage, rng: np.random.Generator, *, heading: float, bend: float, length_px: float
) -> None:
    """Draw a path that turns slowly, from a random place, into the image."""
    steps = int(length_px / _STEP_PX) + 2
    turns = ndimage.gaussian_filter1d(rng.standard_normal(steps), 10.0)
    angle = heading + np.cumsum(bend * turns)
    row = np.floor(rng.uniform(0, image.shape[0]) + np.cumsum(_STEP_PX * np.sin(angle))).astype(np.int64)
    column = np.floor(rng.uniform(0, image.shape[1]) + np.cumsum(_STEP_PX * np.cos(angle))).astype(np.int64)
    inside = (row >= 0) & (row < image.shape[0]) & (column >= 0) & (column < image.shape[1])
    np.add.at(image, (row[inside], column[inside]), rng.uniform(0.2, 1))
