"""The figures of a large plane's blocks, put together, are those of the plane."""

from collections.abc import Callable

import numpy as np
import pytest

from worker.engine.noise.measuring.removed_noise import RemovedNoise, measure_removed_noise
from worker.engine.noise.measuring.removed_noise_of_blocks import of_all_blocks
from worker.engine.planes.sequence import window_with_data

SIDE_PX, BLOCK_PX = 512, 256
Edit = Callable[[np.ndarray], None]


def whole_and_joined(
    spoil: Edit, leave_out: Edit = lambda _observed_yx: None
) -> tuple[RemovedNoise, RemovedNoise]:
    """Measure a plane whose result is its specimen, but for what `spoil` does to it."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] / 12
    signal_yx = 200 + 50 * np.sin(y) * np.cos(x)
    observed_yx = np.random.default_rng(0).normal(signal_yx, np.sqrt(signal_yx))
    result_yx = signal_yx.copy()
    spoil(result_yx)
    leave_out(observed_yx)
    whole = measure_removed_noise(observed_yx, result_yx, lambda signal: signal)
    blocks = []
    for top in range(0, SIDE_PX, BLOCK_PX):
        for left in range(0, SIDE_PX, BLOCK_PX):
            part = np.s_[top : top + BLOCK_PX, left : left + BLOCK_PX]
            found = measure_removed_noise(observed_yx[part], result_yx[part], lambda signal: signal)
            assert found is not None
            blocks.append(((top, left), found))
    joined = of_all_blocks(blocks)
    assert whole is not None
    assert joined is not None
    return whole, joined


def test_figures_of_a_good_result_are_those_of_the_plane() -> None:
    whole, joined = whole_and_joined(lambda _: None)
    assert (joined.pixels, joined.not_finite_px) == (whole.pixels, whole.not_finite_px)
    for name in ("mean", "variance", "correlation_y", "correlation_x", "removed_adu", "structure_slope"):
        assert getattr(joined, name) == pytest.approx(getattr(whole, name), abs=0.01), name
    for name in ("mean_error", "correlation_error", "removed_adu_error", "signal_adu", "noise_adu"):
        assert getattr(joined, name) == pytest.approx(getattr(whole, name), rel=0.15), name
    assert joined.block_excess == pytest.approx(whole.block_excess, abs=0.1)


def test_a_block_with_few_pixels_hides_no_structure_of_the_others() -> None:
    def waved(result_yx: np.ndarray) -> None:
        result_yx += 2 * np.sin(np.arange(SIDE_PX) / 40)[:, None]

    def nearly_empty(observed_yx: np.ndarray) -> None:
        observed_yx[:BLOCK_PX, :BLOCK_PX] = np.nan
        observed_yx[:48, :48] = np.random.default_rng(1).normal(200, 14, (48, 48))

    whole, joined = whole_and_joined(waved, nearly_empty)
    assert len(joined.block_excess) == len(joined.block_excess_error) == len(whole.block_excess)
    assert min(joined.block_excess[-1], whole.block_excess[-1]) > 3


def test_bright_pixels_of_one_block_are_judged_by_themselves() -> None:
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] / 12
    signal_yx = np.full((SIDE_PX, SIDE_PX), 200.0)
    signal_yx[:BLOCK_PX, :BLOCK_PX] += 400 * (np.sin(y) * np.cos(x) > 0.5)[:BLOCK_PX, :BLOCK_PX]
    noise_yx = np.random.default_rng(0).normal(0, np.sqrt(signal_yx))
    noise_yx += np.where(signal_yx > 200, np.roll(noise_yx, 1, axis=1), 0)
    parts = [
        np.s_[top : top + BLOCK_PX, left : left + BLOCK_PX] for top in (0, BLOCK_PX) for left in (0, BLOCK_PX)
    ]
    found = [
        measure_removed_noise((signal_yx + noise_yx)[part], signal_yx[part], lambda signal: signal)
        for part in parts
    ]
    joined = of_all_blocks([((0, 0), each) for each in found if each is not None])
    assert found[0] is not None
    assert joined is not None
    assert joined.bright_correlation_x == found[0].bright_correlation_x > 0.3


def test_a_wrong_place_is_found_where_it_is() -> None:
    def shifted(result_yx: np.ndarray) -> None:
        result_yx[320:384, 448:512] += 20

    whole, joined = whole_and_joined(shifted)
    assert joined.worst_block is not None
    assert whole.worst_block is not None
    assert (joined.worst_block.y_px, joined.worst_block.x_px) == (352, 480)
    assert joined.worst_block.side_px == whole.worst_block.side_px


def test_the_only_block_with_data_lies_where_it_is() -> None:
    rng = np.random.default_rng(0)
    part = measure_removed_noise(rng.normal(200, 14, (256, 256)), np.full((256, 256), 200.0), np.copy)
    assert part is not None
    assert part.worst_block is not None
    joined = of_all_blocks([((512, 256), part)])
    assert joined is not None
    assert joined.worst_block is not None
    assert joined.worst_block.y_px == part.worst_block.y_px + 512
    assert joined.worst_block.x_px == part.worst_block.x_px + 256


def test_a_window_of_a_large_plane_lies_where_its_data_are() -> None:
    plane_yx = np.full((300, 200), np.nan, dtype=np.float32)
    plane_yx[250:, 150:] = 1
    window_yx = window_with_data(plane_yx, 10_000)
    assert window_yx.shape == (100, 100)
    assert np.isfinite(window_yx).sum() == 50 * 50
    assert window_with_data(plane_yx, plane_yx.size) is plane_yx
