"""Flashes of one frame in planes beside another: covered, and nothing else is."""

import numpy as np
import torch
from torch import Tensor

from worker.engine.planes.flashes import averaged_light, cover_flashes

SIDE_PX, FRAMES, MIDDLE = 64, 7, 3


def _noise(seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, 1, (FRAMES, SIDE_PX, SIDE_PX))).float()


def _spot(height: float, column: float = 32.0) -> Tensor:
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    return torch.from_numpy(height * np.exp(-((y - 32) ** 2 + (x - column) ** 2) / 8)).float()


def _covered(frames: Tensor) -> Tensor:
    known = [place for place in range(FRAMES) if bool(frames[place].isfinite().all())]
    light = {place: averaged_light(frames[place]) for place in known}
    cover_flashes(found := frames.clone(), light)
    return found


def test_noise_alone_is_left_as_it_is() -> None:
    frames = _noise()
    assert torch.equal(_covered(frames).nan_to_num(), frames.nan_to_num())


def test_a_flash_beside_the_plane_is_covered_by_a_plane_that_is_not_the_middle_one() -> None:
    quiet = _noise()
    frames = quiet.clone()
    frames[4] += _spot(4.0)
    found = _covered(frames)
    near = (slice(30, 35), slice(30, 35))
    assert torch.equal(found[4][near], quiet[5][near])
    far = (slice(None), slice(0, 16))
    assert torch.equal(found[4][far], frames[4][far])
    assert torch.equal(found[[0, 1, 2, 3, 5, 6]], frames[[0, 1, 2, 3, 5, 6]])


def test_a_flash_of_the_middle_plane_stays() -> None:
    frames = _noise()
    frames[MIDDLE] += _spot(8.0)
    assert torch.equal(_covered(frames).nan_to_num(), frames.nan_to_num())


def test_what_moves_slowly_is_left_as_it_is() -> None:
    frames = _noise() + torch.stack([_spot(6.0, 32 + 0.3 * offset) for offset in range(-3, 4)])
    assert torch.equal(_covered(frames).nan_to_num(), frames.nan_to_num())


def test_missing_planes_neither_flash_nor_cover() -> None:
    frames = _noise()
    frames[5:] = torch.nan
    frames[4] += _spot(4.0)
    found = _covered(frames)
    assert found[4].isfinite().all()
    assert float(found[4][30:35, 30:35].mean()) < 1


def test_one_neighbour_is_left_as_it_is() -> None:
    frames = torch.full((FRAMES, SIDE_PX, SIDE_PX), torch.nan)
    frames[MIDDLE], frames[4] = _noise()[0], _noise()[1] + _spot(8.0)
    assert torch.equal(_covered(frames).nan_to_num(), frames.nan_to_num())
