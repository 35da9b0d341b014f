"""Random scenes: what a microscope may be pointed at, as the light that arrives at the detector."""

from collections.abc import Callable, Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from worker.engine.simulation import organelles, textures
from worker.engine.simulation.chance import happens
from worker.engine.simulation.specimen import Structures, simulate_specimen

FloatImage = NDArray[np.float64]
Draw = Callable[[tuple[int, int], np.random.Generator], FloatImage]

_ORGANELLES: Sequence[Draw] = (
    organelles.fibres,
    organelles.mitochondria,
    organelles.vesicles,
    organelles.cells,
    organelles.points,
)
_PATTERNS: Sequence[Draw] = (textures.stripes, textures.mosaic)

_KINDS = ("specimen", "organelles", "dead leaves", "texture", "pattern", "flat")
_SHARES = (0.22, 0.35, 0.18, 0.15, 0.05, 0.05)
_PSF_SIGMA_PX = (0.5, 2.5)
_HAZE_SIGMA_PX = (6.0, 30.0)
_BRIGHTEST = 0.995
"""Quantile of the pixels that counts as the brightest: single points may be far brighter."""


def draw_scene(shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    """Return the relative light (Y, X) of a random scene, 0 .. about 1, blurred by a random Gaussian PSF.

    Most are parts of cells; others are textures, natural and geometric patterns, and even fields.
    """
    kind = rng.choice(_KINDS, p=_SHARES)
    if kind == "flat":
        return _relative(textures.gradient(shape_yx, rng))
    sharp = _draw(kind, shape_yx, rng)
    blurred = ndimage.gaussian_filter(sharp, np.exp(rng.uniform(*np.log(_PSF_SIGMA_PX))))
    scene = _relative(blurred)
    if happens(0.3, rng):
        haze = ndimage.gaussian_filter(sharp, rng.uniform(*_HAZE_SIGMA_PX))
        scene = scene + rng.uniform(0, 0.7) * _relative(haze)
    if happens(0.3, rng):
        scene = scene * textures.gradient(shape_yx, rng)
    return _relative(scene)


def _draw(kind: str, shape_yx: tuple[int, int], rng: np.random.Generator) -> FloatImage:
    if kind == "specimen":
        structures: Structures = rng.choice(get_args(Structures))
        return simulate_specimen(
            shape_yx, seed=int(rng.integers(1 << 31)), structures=structures, psf_sigma_px=0.3, background=0
        )
    if kind == "organelles":
        chosen = rng.choice(len(_ORGANELLES), rng.integers(1, 4))
        return np.asarray(
            sum(rng.uniform(0.1, 1) * _relative(_ORGANELLES[one](shape_yx, rng)) for one in chosen)
        )
    if kind == "dead leaves":
        return textures.dead_leaves(shape_yx, rng)
    if kind == "texture":
        return textures.power_law_texture(shape_yx, rng)
    return _PATTERNS[int(rng.integers(len(_PATTERNS)))](shape_yx, rng)


def _relative(image: FloatImage) -> FloatImage:
    """Scale an image that is not negative so that its brightest pixels are about 1."""
    return image / max(float(np.quantile(image, _BRIGHTEST)), float(image.max()) / 20, 1e-12)
