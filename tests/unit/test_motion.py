"""Motion of a scene as a whole is found in whole pixels; what has none stays where it is."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from worker.engine.planes.motion import STILL, Motion, Shift, moved

SHAPE_YX = (96, 128)


def _texture(seed: int, width_px: float = 3.0) -> np.ndarray:
    shape_yx = tuple(2 * size for size in SHAPE_YX)
    texture = ndimage.gaussian_filter(
        np.random.default_rng(seed).normal(size=shape_yx), width_px, mode="wrap"
    )
    return np.asarray(4 * texture / texture.std())


def _recorded(scene: np.ndarray, shift: tuple[int, int], seed: int) -> Tensor:
    """Return a part of a scene that has moved, with noise of one."""
    part = np.roll(scene, shift, axis=(0, 1))[tuple(slice(size) for size in SHAPE_YX)]
    noisy = part + np.random.default_rng(seed).normal(size=SHAPE_YX)
    return torch.from_numpy(noisy).float()


def _found(first_yx: Tensor, other_yx: Tensor) -> Shift:
    """Return by how much most of the other plane is moved."""
    placement = Motion(first_yx).of(other_yx)
    return STILL if placement is None or placement.where.float().mean() < 1 / 2 else placement.shift


@pytest.mark.parametrize("shift", [(1, 0), (0, -2), (7, -5), (-24, 32)])
@pytest.mark.parametrize("haze", [0.0, 5.0])
def test_a_scene_that_has_moved_is_moved_back(shift: tuple[int, int], haze: float) -> None:
    scene = _texture(0) + haze * ndimage.gaussian_filter(_texture(1), 25, mode="wrap")
    found = _found(_recorded(scene, (0, 0), 1), _recorded(scene, shift, 2))
    assert found == (-shift[0], -shift[1])


def test_a_flash_does_not_hide_motion() -> None:
    scene = _texture(0)
    flash = np.zeros_like(scene)
    flash[40:48, 60:68] = 400.0
    assert _found(_recorded(scene, (0, 0), 1), _recorded(scene + flash, (3, 6), 2)) == (-3, -6)


@pytest.mark.parametrize(
    ("moving", "moved_share", "rest_share"), [(2.0, (0.7, 1), (0, 0.1)), (0.0, (0, 0), (0, 0))]
)
def test_a_part_that_has_moved_is_moved_and_the_rest_stays(
    moving: float, moved_share: tuple[float, float], rest_share: tuple[float, float]
) -> None:
    """A cell glides by four pixels over what is at rest."""
    rest, cell = _texture(0), moving * _texture(1)
    y, x = np.mgrid[: rest.shape[0], : rest.shape[1]]
    cell[np.hypot(y - 48, x - 64) > 30] = 0
    rest[np.hypot(y - 48, x - 66) < 32] = 0
    placement = Motion(_recorded(rest + cell, (0, 0), 1)).of(
        _recorded(rest + np.roll(cell, 4, axis=1), (0, 0), 2)
    )
    where = torch.zeros(SHAPE_YX) if placement is None else placement.where.float()
    if placement is not None:
        assert placement.shift == (0, -4)
    inside = torch.from_numpy(np.hypot(y - 48, x - 64) < 20)[: SHAPE_YX[0], : SHAPE_YX[1]]
    outside = torch.from_numpy(np.hypot(y - 48, x - 64) > 50)[: SHAPE_YX[0], : SHAPE_YX[1]]
    for part, (low, high) in ((inside, moved_share), (outside, rest_share)):
        assert low <= float(where[part].mean()) <= high


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("height", [0.0, 0.2, 4.0])
def test_what_does_not_move_stays_however_dim(seed: int, height: float) -> None:
    scene = height / 4 * _texture(seed)
    assert _found(_recorded(scene, (0, 0), 2 * seed), _recorded(scene, (0, 0), 2 * seed + 1)) == STILL


@pytest.mark.parametrize("seed", range(4))
def test_a_plane_is_not_moved_by_chance(seed: int) -> None:
    """Planes are moved to fit or not at all, where there is hardly more than noise."""
    scene = _texture(seed) / 8
    found = _found(_recorded(scene, (0, 0), 1), _recorded(scene, (9, -9), 2))
    assert found == STILL or np.abs(np.array(found) - (-9, 9)).max() <= 1


def test_a_plane_that_is_moved_is_mirrored_at_its_edges() -> None:
    plane_yx = torch.arange(12.0).reshape(3, 4)
    found = moved(plane_yx, (1, -1))
    assert found.tolist() == [[5, 6, 7, 6], [1, 2, 3, 2], [5, 6, 7, 6]]
    assert moved(plane_yx, STILL) is plane_yx


@pytest.mark.parametrize("shape_yx", [(1, 64), (2, 3), (17, 600)])
def test_planes_of_any_shape_are_compared(shape_yx: tuple[int, int]) -> None:
    units_yx = torch.from_numpy(np.random.default_rng(0).normal(size=shape_yx)).float()
    assert Motion(units_yx).of(units_yx.clone()) is None
