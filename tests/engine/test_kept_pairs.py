"""Counts of pixel pairs that are kept, stored and added up."""

from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.noise_model_files.pixel_pairs import PixelPairs
from worker.engine.errors import NoiseFitError
from worker.engine.noise.fitting.kept_pairs import KeptPairs
from worker.engine.noise.fitting.pairs import PairCounts

GAIN_ADU, OFFSET_ADU, READ_ADU = 2.0, 100.0, 3.0


def pairs(brightest: float, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    electrons = rng.uniform(0.02, 1, 100_000) * brightest
    observed = GAIN_ADU * rng.poisson(electrons) + OFFSET_ADU + rng.normal(0, READ_ADU, electrons.size)
    return np.rint(observed).astype(np.uint16), GAIN_ADU * electrons + OFFSET_ADU


def counted(*planes: tuple[NDArray[Any], NDArray[Any]]) -> PairCounts:
    counts = PairCounts()
    for observation, signal in planes:
        counts.add(observation, signal)
    return counts


def stored(kept: KeptPairs) -> PixelPairs:
    return PixelPairs(np.array(astuple(kept.axes)), *(vars(kept)[name] for name in list(vars(kept))[1:]))


def test_kept_counts_of_one_plane_are_the_counts() -> None:
    counts = counted(pairs(200, seed=1))
    again = PairCounts.sum_of([counts.kept()])
    assert (again.pairs, again.step_adu) == (counts.pairs, counts.step_adu)
    for one, other in zip(
        astuple(again.photon_transfer_curve()), astuple(counts.photon_transfer_curve()), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_counts_of_different_images_add_up_without_bias() -> None:
    planes = [pairs(brightest, seed) for seed, brightest in enumerate((5, 80, 3000))]
    total = PairCounts.sum_of([counted(plane).kept() for plane in planes])
    assert total.pairs == 300_000
    curve = total.photon_transfer_curve()
    true_adu2 = GAIN_ADU * (curve.signal_adu - OFFSET_ADU) + READ_ADU**2 + 1 / 12
    error = curve.variance_adu2 / true_adu2 - 1
    assert abs(np.average(error, weights=curve.count)) < 4 * np.sqrt(2 / total.pairs)
    together = counted((np.concatenate([each[0] for each in planes]), np.concatenate([e[1] for e in planes])))
    assert total.signal_range_adu == pytest.approx(together.signal_range_adu, rel=0.01)


def test_saturated_signals_stay_known() -> None:
    observation, signal = pairs(200, seed=3)
    counts = PairCounts(observation_max_adu=400)
    counts.add(observation, signal)
    again = PairCounts.sum_of([counts.kept(), counts.kept()])
    assert again.unsaturated().pairs == 2 * counts.unsaturated().pairs < again.pairs


def test_a_file_holds_the_counts_in_little_space() -> None:
    kept = counted(pairs(200, seed=4)).kept()
    content = stored(kept).to_bytes()
    assert content == stored(kept).to_bytes()
    assert len(content) < 100_000
    read = PixelPairs.from_bytes(content)
    for name in ("signal_adu", "saturated", "row", "deviation_adu", "count", "step_adu", "not_finite"):
        np.testing.assert_array_equal(vars(read)[name], vars(kept)[name])
    curve = read.photon_transfer_curve()
    assert curve.pixels.sum() == read.pairs == 100_000
    true_adu2 = GAIN_ADU * (curve.signal_adu - OFFSET_ADU) + READ_ADU**2
    np.testing.assert_allclose(curve.variance_adu2, true_adu2, rtol=0.3)


def test_nothing_counted_cannot_be_kept() -> None:
    with pytest.raises(NoiseFitError, match="no pixel can be used"):
        PairCounts().kept()
