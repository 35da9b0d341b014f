"""Removed noise by signal: sums of planes that add up, whatever their range."""

import json

import numpy as np
import pytest

from worker.engine.noise.measuring.signal_bins import SignalBins


def plane(low_adu: float, high_adu: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return observation, result, and removed noise in its standard deviations, of 3 ADU."""
    rng = np.random.default_rng(seed)
    signal_adu = rng.uniform(low_adu, high_adu, 20_000)
    noise = rng.normal(0, 1, signal_adu.size)
    return signal_adu + 3 * noise, signal_adu, noise


def test_parts_add_up_to_the_whole_as_json() -> None:
    planes = [plane(100, 110), plane(90, 4000, 1), plane(-3, 2, 2), plane(7, 7, 3)]
    each = [SignalBins.of(*one) for one in planes]
    whole = SignalBins.joined(each)
    parts = [SignalBins.joined(each[:1]), SignalBins.joined(each[1:])]
    read = [SignalBins.from_record(json.loads(json.dumps(part.record()))) for part in parts if part]
    merged = SignalBins.joined(read)
    assert whole is not None
    assert merged is not None
    assert merged.exponent == whole.exponent
    assert [level.pixels for level in merged.levels()] == [level.pixels for level in whole.levels()]
    assert sum(level.pixels for level in whole.levels()) == 80_000
    assert SignalBins.joined([]) is None


def test_levels_tell_the_noise_at_each_signal() -> None:
    levels = SignalBins.of(*plane(100, 1000)).levels()
    assert len(levels) > 8
    for level in levels:
        assert level.mean == pytest.approx(0, abs=4 * level.mean_error)
        assert level.variance == pytest.approx(1, abs=0.2)


def test_a_result_of_lower_contrast_has_a_lower_slope() -> None:
    observed, signal, noise = plane(100, 1000)
    good, flat = (SignalBins.of(observed, result, noise).linearity() for result in (signal, 0.8 * signal))
    assert good is not None
    assert flat is not None
    assert good.slope == pytest.approx(1, abs=0.01)
    assert flat.slope == pytest.approx(0.8, abs=0.01)
    bent = SignalBins.of(observed, signal**2 / 1000, noise).linearity()
    assert bent is not None
    assert bent.largest_deviation > 5 * good.largest_deviation


@pytest.mark.parametrize("value", [0.0, 1e30, -1e-30])
def test_constant_results_of_any_size_have_one_level(value: float) -> None:
    flat = np.full(100, value)
    bins = SignalBins.of(flat, flat, np.zeros(100))
    assert [level.pixels for level in bins.levels()] == [100]
    assert bins.linearity() is None
