"""Patterns that resemble no specimen: a network trained on them too does not take everything for cells."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from worker.engine.simulation.chance import happens

FloatImage = NDArray[np.float64]

_LEAVES_PER_PX = 0.02
_SMALLEST_LEAF_PX = 1.0


def dead_leaves(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Return discs that cover each other, of power-law sizes, some striped (Lee et al. 2001, IJCV 41, 35).

    They have the edges and the scale invariance of natural images.
    """
    image = np.full(shape_yx, rng.uniform(0, 1))
    height, width = shape_yx
    largest_px = max(_SMALLEST_LEAF_PX * 2, min(shape_yx) * rng.uniform(0.1, 0.5))
    exponent = rng.uniform(2.0, 3.2)
    for _ in range(round(_LEAVES_PER_PX * height * width * rng.uniform(0.3, 1.5))):
        radius = _power_law(_SMALLEST_LEAF_PX, largest_px, exponent, rng)
        centre_y, centre_x = rng.uniform(-radius, height + radius), rng.uniform(-radius, width + radius)
        top, left = (max(int(centre - radius), 0) for centre in (centre_y, centre_x))
        window = (slice(top, int(centre_y + radius) + 1), slice(left, int(centre_x + radius) + 1))
        part = image[window]
        if part.size == 0:
            continue
        y, x = np.ogrid[: part.shape[0], : part.shape[1]]
        inside = (y + top - centre_y) ** 2 + (x + left - centre_x) ** 2 <= radius**2
        value = np.full(part.shape, rng.uniform(0, 1))
        if happens(0.15, rng):
            value = value * stripes(part.shape, rng)
        part[inside] = value[inside]
    return image


def power_law_texture(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Return a random texture whose amplitudes fall with a power of the frequency; half are peaked."""
    frequency = np.hypot(np.fft.fftfreq(shape_yx[0])[:, None], np.fft.rfftfreq(shape_yx[1]))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal(shape_yx)) * frequency ** -rng.uniform(0.8, 2.2)
    texture = np.fft.irfft2(spectrum, s=shape_yx)
    texture /= max(float(texture.std()), 1e-12)
    return np.asarray(np.exp(texture) if happens(0.5, rng) else (texture + 2.0).clip(0))


def stripes(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Return parallel stripes of any direction and period, 0 .. 1, sinusoidal or sharp."""
    y, x = np.ogrid[: shape_yx[0], : shape_yx[1]]
    angle, period_px, phase = rng.uniform(0, np.pi), rng.uniform(3, 30), rng.uniform(0, 2 * np.pi)
    wave = np.sin((y * np.sin(angle) + x * np.cos(angle)) * 2 * np.pi / period_px + phase)
    return np.asarray((wave > 0).astype(np.float64) if happens(0.5, rng) else 0.5 + 0.5 * wave)


def mosaic(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Return rectangles of random brightness, as in checkerboards, printed text and detector test charts."""
    cell_y, cell_x = rng.integers(2, 16, 2)
    rows, columns = shape_yx[0] // cell_y + 2, shape_yx[1] // cell_x + 2
    if happens(0.3, rng):
        cells = (np.add.outer(np.arange(rows), np.arange(columns)) % 2).astype(np.float64)
    else:
        cells = rng.uniform(0, 1, (rows, columns)) * (
            rng.uniform(0, 1, (rows, columns)) < rng.uniform(0.2, 1)
        )
    enlarged = np.kron(cells, np.ones((cell_y, cell_x)))
    top, left = rng.integers(0, cell_y), rng.integers(0, cell_x)
    return np.asarray(enlarged[top : top + shape_yx[0], left : left + shape_yx[1]])


def gradient(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Return an even or a slowly varying field, as of uneven illumination."""
    coarse = ndimage.gaussian_filter(rng.standard_normal(shape_yx), max(shape_yx) * rng.uniform(0.1, 0.4))
    coarse /= max(float(np.abs(coarse).max()), 1e-12)
    return np.asarray(1 + rng.choice([0.0, 0.1, 0.5]) * coarse)


def _power_law(smallest: float, largest: float, exponent: float, rng: np.random.Generator) -> float:
    """Draw from a density that falls with the given power between two bounds."""
    low, high = smallest ** (1 - exponent), largest ** (1 - exponent)
    return float((low + rng.uniform() * (high - low)) ** (1 / (1 - exponent)))
