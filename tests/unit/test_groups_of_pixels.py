"""Groups of like brightness and their medians: the same as by sorting places, and as NumPy's."""

import numpy as np
import pytest

from models_store.survey.groups import (
    groups_by_quantile,
    groups_by_rank,
    median,
    places_of_groups,
    quantiles,
    row_medians,
)

RNG = np.random.default_rng(0)
COARSE = RNG.poisson(2.0, 3001).astype(np.float64)
FINE = RNG.normal(size=3000)


@pytest.mark.parametrize("values", [COARSE, FINE, np.zeros(7), np.ones(1)])
def test_groups_are_those_of_a_stable_sort_also_of_equal_values(values: np.ndarray) -> None:
    ranks = [0, values.size // 3, values.size // 2, values.size // 2 + 1, values.size, values.size + 5]
    groups = groups_by_rank(values, ranks[1:])
    order = np.argsort(values, kind="stable")
    expected = [np.sort(each) for each in np.split(order, [min(rank, values.size) for rank in ranks[1:]])]
    for found, places in zip(places_of_groups(groups, len(ranks)), expected, strict=True):
        np.testing.assert_array_equal(found, places)


@pytest.mark.parametrize("values", [COARSE, FINE])
def test_equal_values_are_in_one_group_of_quantiles(values: np.ndarray) -> None:
    ends = np.quantile(values, np.linspace(0, 1, 13)[1:-1])
    np.testing.assert_array_equal(groups_by_quantile(values, 12), np.searchsorted(ends, values))
    assert not groups_by_quantile(values, 1).any()


@pytest.mark.parametrize("size", [1, 2, 5, 100, 3000])
def test_quantiles_and_medians_are_those_of_numpy(size: int) -> None:
    values, shares = FINE[:size], np.linspace(0, 1, 29)
    np.testing.assert_array_equal(quantiles(np.sort(values), shares), np.quantile(values, shares))
    assert median(values) == np.median(values)


@pytest.mark.parametrize("width", [1, 2, 7, 700])
def test_medians_of_rows_leave_out_missing_pixels(width: int) -> None:
    values_yx = RNG.normal(size=(40, width))
    values_yx[:20][RNG.random((20, width)) < 0.5] = np.nan
    values_yx[3] = np.nan
    found = row_medians(values_yx)[:, 0]
    known = np.isfinite(values_yx).any(axis=1)
    np.testing.assert_array_equal(found[known], np.nanmedian(values_yx[known], axis=1))
    assert np.isnan(found[~known]).all()
