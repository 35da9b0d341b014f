"""Pixels in groups of like brightness, and their medians, without sorting places.

Sorting values is quick, sorting their places is not: values are compared with those at the ends of groups.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Groups = NDArray[np.uint8]
"""Number of the group of each value, from 0 for the lowest."""


def groups_by_quantile(values: FloatArray, count: int) -> Groups:
    """Return at most 256 groups of equal size; equal values are in the same group."""
    groups = np.zeros(values.size, dtype=np.uint8)
    if count > 1:
        for end in quantiles(np.sort(values), np.linspace(0, 1, count + 1)[1:-1]):
            groups += values > end
    return groups


def groups_by_rank(values: FloatArray, first_ranks: Sequence[int]) -> Groups:
    """Return at most 256 groups of consecutive ranks, told by the first rank of each group but the lowest.

    Of equal values, those that come first have the lower ranks.
    """
    groups = np.zeros(values.size, dtype=np.uint8)
    in_order = np.sort(values)
    for rank in first_ranks:
        if rank >= values.size:
            continue
        value = in_order[rank]
        higher = values >= value
        lower_px = rank - int(np.searchsorted(in_order, value))
        higher[np.flatnonzero(values == value)[:lower_px]] = False
        groups += higher
    return groups


def places_of_groups(groups: Groups, count: int) -> list[NDArray[np.intp]]:
    """Return the places of the values of each group, in ascending order."""
    ends = np.cumsum(np.bincount(groups, minlength=count))
    return np.split(np.argsort(groups, kind="stable"), ends[:-1])


def quantiles(in_order: FloatArray, shares: FloatArray) -> FloatArray:
    """Return quantiles of at least one value in ascending order, as `np.quantile` does."""
    place = shares * (in_order.size - 1)
    below = np.floor(place).astype(np.intp)
    low, high = in_order[below], in_order[np.minimum(below + 1, in_order.size - 1)]
    part, step = place - below, high - low
    return np.asarray(np.where(part < 0.5, low + step * part, high - step * (1 - part)))  # noqa: PLR2004  # from the nearer one


def median(values: FloatArray) -> float:
    """Return the median of at least one value, none of which is NaN."""
    half = values.size // 2
    parted = np.partition(values, half)
    upper = float(parted[half])
    return upper if values.size % 2 else (float(parted[:half].max()) + upper) / 2


def row_medians(values_yx: FloatArray) -> FloatArray:
    """Return the medians (Y, 1) of rows, without their pixels that are NaN; NaN of rows without any other."""
    in_order = np.sort(values_yx, axis=1)
    last = values_yx.shape[1] - 1 - np.isnan(in_order).sum(axis=1, keepdims=True)
    low, high = (
        np.take_along_axis(in_order, place.clip(0), axis=1) for place in (last // 2, (last + 1) // 2)
    )
    return np.asarray((low + high) / 2)
