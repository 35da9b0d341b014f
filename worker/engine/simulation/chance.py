"""Random decisions of the simulator."""

import numpy as np


def happens(probability: float, rng: np.random.Generator) -> bool:
    return bool(rng.uniform() < probability)
