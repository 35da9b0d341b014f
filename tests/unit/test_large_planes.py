"""Large planes are surveyed in blocks: what is found is that of the whole plane, in bounded memory."""

import tracemalloc
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from app.series_inspection import survey_if_possible
from models_store.survey import blocks
from models_store.survey.defects import find_defects
from models_store.survey.repeated_rows import RowDigests
from models_store.survey.row_jumps import row_jump
from models_store.survey.survey import Survey, survey_planes
from tests.support.textures import observe, texture

SIDE_PX = 640


@pytest.fixture
def plane_yx() -> NDArray[np.uint16]:
    """Return a specimen with hot pixels, a hot column, an empty border and a saturated spot."""
    plane_yx = observe(texture(60, 3.0, 1, SIDE_PX), 1).astype(np.uint16)
    y, x = np.random.default_rng(2).integers(0, SIDE_PX, (2, 40))
    plane_yx[y, x] = 4000
    plane_yx[:, 301] += 900
    plane_yx[:40] = 0
    plane_yx[500:506, 250:262] = 4095
    return plane_yx


def small_blocks(monkeypatch: pytest.MonkeyPatch, side_px: int = 256) -> None:
    monkeypatch.setattr(blocks, "SMALL_PX", side_px**2)
    monkeypatch.setattr(blocks, "_SIDE_PX", side_px)
    monkeypatch.setattr(blocks, "_STRIP_PX", side_px**2)


def test_blocks_make_up_a_plane() -> None:
    times = np.zeros((5000, 3001), dtype=np.uint8)
    for block in blocks.blocks_of(times.shape, 64):
        times[block.inner] += 1
        assert times[block.outer][block.core].shape == times[block.inner].shape
    assert (times == 1).all()
    assert len(blocks.blocks_of((2048, 2048), 64)) == 1


def test_blocks_have_the_defects_of_the_whole_plane(
    monkeypatch: pytest.MonkeyPatch, plane_yx: NDArray[np.uint16]
) -> None:
    whole = find_defects(plane_yx)
    assert whole.missing_yx[:40].all()
    assert whole.outliers_yx[40:, 301].all()
    small_blocks(monkeypatch)
    found = find_defects(plane_yx)
    np.testing.assert_array_equal(found.missing_yx, whole.missing_yx)
    assert (found.outliers_yx ^ whole.outliers_yx).sum() <= 2


def test_a_dark_block_of_a_plane_of_single_photons_is_no_fill_area(monkeypatch: pytest.MonkeyPatch) -> None:
    photons_yx = (np.random.default_rng(0).random((SIDE_PX, SIDE_PX)) < 0.01).astype(np.uint8)
    photons_yx[:300, :300] = 0
    assert not find_defects(photons_yx).missing_yx.any()
    small_blocks(monkeypatch)
    assert not find_defects(photons_yx).missing_yx.any()


def test_counts_of_blocks_are_those_of_the_plane(
    monkeypatch: pytest.MonkeyPatch, plane_yx: NDArray[np.uint16]
) -> None:
    plane_yx[0, :20] = np.random.default_rng(3).integers(0, 4000, 20)
    whole = survey_planes([plane_yx])
    small_blocks(monkeypatch)
    found = survey_planes([plane_yx])

    def counted(survey: Survey) -> tuple[object, ...]:
        assert survey.values is not None
        values, counts = survey.values, survey.defects
        return values.highest, values.min_adu, values.step_adu, values.pixels, counts

    assert counted(found) == counted(whole)
    lines = [each.noise.line for each in (whole, found)]
    variances = [line.variance_adu2(np.array([100.0]))[0] for line in lines if line is not None]
    assert variances[1] == pytest.approx(variances[0], rel=0.25)


def test_a_plane_that_is_torn_between_strips_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    above, below = (observe(texture(60, 3.0, seed, SIDE_PX), seed) for seed in (1, 2))
    torn_yx = np.vstack([above[:256], below[256:]])
    small_blocks(monkeypatch)
    assert row_jump(torn_yx, step_adu=1.0) == 256
    assert row_jump(above, step_adu=1.0) is None


def test_a_survey_takes_little_more_memory_than_the_plane(
    monkeypatch: pytest.MonkeyPatch, plane_yx: NDArray[np.uint16]
) -> None:
    small_blocks(monkeypatch)
    large_yx = np.tile(plane_yx, (2, 1))
    tracemalloc.start()
    find_defects(large_yx)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 40 * large_yx.size


def test_uploads_leave_planes_to_the_first_job_that_would_take_too_long() -> None:
    surveyed: list[int] = []

    def image(side_px: int) -> Any:  # a stand-in
        header = SimpleNamespace(height_px=side_px, width_px=side_px)
        return SimpleNamespace(header=header, survey=lambda: surveyed.append(side_px))

    for side_px in (2048, 3000):
        survey_if_possible(cast("Any", image(side_px)), processor_s=4)
    assert surveyed == [2048]


@pytest.mark.parametrize("shape_yx", [(1, 900), (2, 900), (900, 1), (301, 517)])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_blocks_of_any_shape_have_the_defects_of_the_plane(
    monkeypatch: pytest.MonkeyPatch, shape_yx: tuple[int, int], dtype: str
) -> None:
    rng = np.random.default_rng(4)
    plane_yx = rng.normal(90, 9, shape_yx).clip(0, 250).astype(dtype)
    plane_yx.reshape(-1)[::397] = 255
    if dtype == "float32":
        plane_yx[: shape_yx[0] // 3] = plane_yx[:, : shape_yx[1] // 5] = np.nan

    def found() -> tuple[NDArray[Any], ...]:
        defects, rows = find_defects(plane_yx), RowDigests.of(plane_yx)
        return defects.missing_yx, defects.outliers_yx, rows.digests, rows.noisy

    whole = found()
    small_blocks(monkeypatch, 128)
    for part, expected in zip(found(), whole, strict=True):
        np.testing.assert_array_equal(part, expected)
    assert survey_planes([plane_yx]).defects.planes == 1
