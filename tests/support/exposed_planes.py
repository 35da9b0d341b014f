"""Planes of one specimen under several exposures, and what is found of their brightness."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.survey.brightness import Brightness, Series, brightness_of
from models_store.survey.plane_light import light_of
from worker.engine.simulation import simulate_specimen

SHAPE_YX = (128, 128)
SPECIMEN = 4 + 60 * simulate_specimen(SHAPE_YX, seed=3)
Stack = Sequence[NDArray[Any]]


def camera(photons: NDArray[Any], rng: np.random.Generator, gain_adu: float = 2.0) -> NDArray[np.uint16]:
    noisy = 100 + gain_adu * rng.poisson(np.maximum(photons, 0)) + rng.normal(0, 2, photons.shape)
    return np.asarray(noisy.clip(0, 65535).round().astype(np.uint16))


def exposed(factors: Sequence[float]) -> Stack:
    rng = np.random.default_rng(1)
    return [camera(SPECIMEN * factor, rng) for factor in factors]


def measured(planes: Stack, *, over_time: bool) -> Brightness:
    lights = {number: light_of(plane) for number, plane in enumerate(planes)}
    found = brightness_of([Series(tuple(lights), over_time)], lights, {})
    assert found is not None
    return found
