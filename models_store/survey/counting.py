"""Numbers of the different values of a plane's parts."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def counted(parts: Iterable[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the different values of one or more parts, in ascending order, and their counts."""
    several = [np.unique(part, return_counts=True) for part in parts]
    values, places = np.unique(np.concatenate([each for each, _ in several]), return_inverse=True)
    counts = np.zeros(values.size, dtype=np.intp)
    np.add.at(counts, places, np.concatenate([each for _, each in several]))
    return values, counts
