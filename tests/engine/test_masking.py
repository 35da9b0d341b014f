"""Masks, symmetries and the patches drawn with them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from worker.engine.errors import ImageUnsuitableError
from worker.engine.planes.symmetries import SYMMETRIES, apply_symmetry
from worker.engine.training.masking import mask_patches, mask_pixels
from worker.engine.training.patches import collect_training_images
from worker.engine.training.presets import PRESETS, TrainingPreset

SMALL: TrainingPreset = replace(
    PRESETS["fast"], patch_px=16, patches_per_step=4, mask_box_px=4, scale="moments"
)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _everything(image: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(image, dtype=torch.bool)


def test_one_pixel_is_masked_in_each_box() -> None:
    image = torch.arange(2 * 24 * 24, dtype=torch.float32).view(2, 24, 24)
    masked = mask_patches(
        image, maskable=_everything(image), usable=_everything(image), box_px=6, generator=_generator()
    )
    boxes = masked.patch * 16 + masked.y // 6 * 4 + masked.x // 6
    assert sorted(boxes.tolist()) == list(range(32))


def test_a_masked_pixel_takes_the_value_of_another_pixel_nearby() -> None:
    image = torch.arange(20 * 23, dtype=torch.float32).view(1, 20, 23)
    for seed in range(30):
        masked = mask_patches(
            image,
            maskable=_everything(image),
            usable=_everything(image),
            box_px=5,
            generator=_generator(seed),
        )
        source = masked.at_masked(masked.image).long()
        distance_y, distance_x = (source // 23 - masked.y).abs(), (source % 23 - masked.x).abs()
        assert int(torch.maximum(distance_y, distance_x).max()) <= 2
        assert int(torch.maximum(distance_y, distance_x).min()) >= 1
        untouched = torch.ones_like(image, dtype=torch.bool)
        untouched[masked.patch, masked.y, masked.x] = False
        assert torch.equal(masked.image[untouched], image[untouched])


@pytest.mark.parametrize(("y", "x", "neighbours"), [(0, 0, 8), (8, 8, 8), (0, 4, 14), (8, 1, 11), (4, 4, 24)])
def test_every_neighbour_can_replace_a_pixel_also_at_borders(y: int, x: int, neighbours: int) -> None:
    image = torch.arange(81, dtype=torch.float32).view(1, 9, 9)
    mask = torch.zeros_like(image, dtype=torch.bool)
    mask[0, y, x] = True
    generator = _generator()
    values = {
        mask_pixels(image, mask=mask, usable=_everything(image), generator=generator).image[0, y, x].item()
        for _ in range(500)
    }
    assert len(values) == neighbours
    assert image[0, y, x].item() not in values


def test_pixels_in_the_last_row_and_column_are_masked_too() -> None:
    image = torch.zeros((64, 10, 10))
    masked = mask_patches(
        image, maskable=_everything(image), usable=_everything(image), box_px=6, generator=_generator()
    )
    assert int(masked.y.max()) == 9
    assert int(masked.x.max()) == 9


def test_unusable_pixels_replace_none_and_pixels_without_neighbours_keep_their_value() -> None:
    image = torch.zeros((1, 12, 12))
    usable = torch.zeros_like(image, dtype=torch.bool)
    usable[0, 0, 0] = usable[0, 0, 1] = usable[0, 9, 9] = True
    image[0, 0, 1] = 7.0
    masked = mask_pixels(image, mask=usable, usable=usable, generator=_generator())
    assert list(zip(masked.y.tolist(), masked.x.tolist(), strict=True)) == [(0, 0), (0, 1)]
    assert masked.image[0, 0, :2].tolist() == [7.0, 0.0]


def test_the_eight_symmetries_differ_and_lose_nothing() -> None:
    image = torch.arange(12.0).view(3, 4)
    turned = [apply_symmetry(image, symmetry) for symmetry in range(SYMMETRIES)]
    assert len({tuple(view.flatten().tolist()) + tuple(view.shape) for view in turned}) == SYMMETRIES
    assert all(view.flatten().sort().values.equal(image.flatten()) for view in turned)


def test_batches_show_all_symmetries_and_mask_only_training_pixels() -> None:
    plane = np.arange(32 * 32, dtype=np.float32).reshape(32, 32)
    images = collect_training_images([plane], SMALL, _generator())
    held_out = set(images.images[0].observation_adu[images.images[0].held_out].tolist())
    assert held_out
    generator = _generator()
    slopes = set()
    for _ in range(20):
        batch = images.draw(SMALL, generator)
        assert not held_out & set(batch.target_adu.tolist())
        unmasked = batch.masked.image.clone()
        unmasked[batch.masked.patch, batch.masked.y, batch.masked.x] = batch.target_adu
        slopes |= {
            ((patch[0, 1] - patch[0, 0]).item(), (patch[1, 0] - patch[0, 0]).item()) for patch in unmasked
        }
    assert slopes == {(a, b) for a, b in [(1, 32), (32, 1)] for a, b in [(a, b), (-a, b), (a, -b), (-a, -b)]}
    assert set(images.draw_validation(SMALL, generator).target_adu.tolist()) <= held_out


def test_images_smaller_than_a_patch_are_padded_with_pixels_that_do_not_count() -> None:
    plane = np.random.default_rng(0).normal(100, 5, (5, 40)).astype(np.float32)
    images = collect_training_images([plane], SMALL, _generator())
    batch = images.draw(SMALL, _generator())
    assert batch.masked.image.shape == (4, 16, 16)
    assert set(batch.target_adu.tolist()) <= set(plane.flatten().tolist())


def test_pixels_that_are_not_finite_are_neither_targets_nor_replacements() -> None:
    plane = np.random.default_rng(0).normal(100, 5, (20, 20)).astype(np.float32)
    plane[::3, ::3] = np.nan
    plane[5, 5] = np.inf
    before = plane.copy()
    images = collect_training_images([plane], SMALL, _generator())
    finite = set(plane[np.isfinite(plane)].tolist())
    assert images.scale.origin_adu == pytest.approx(plane[np.isfinite(plane)].mean(), rel=1e-6)
    for seed in range(10):
        batch = images.draw(SMALL, _generator(seed))
        assert set(batch.target_adu.tolist()) <= finite
        assert set(batch.masked.at_masked(batch.masked.image).tolist()) <= finite
        assert bool(batch.masked.image.isfinite().all())
    np.testing.assert_array_equal(plane, before)


def test_the_last_five_percent_of_the_images_are_held_out() -> None:
    planes = [np.full((16, 16), index, dtype=np.float32) for index in range(40)]
    preset = replace(SMALL, validation="last-images")
    images = collect_training_images(planes, preset, _generator())
    assert {int(value) for value in images.draw_validation(preset, _generator()).target_adu} == {38, 39}
    trained = {
        int(value) for seed in range(150) for value in images.draw(preset, _generator(seed)).target_adu
    }
    assert trained == set(range(38))


def test_images_without_finite_pixels_are_refused() -> None:
    with pytest.raises(ImageUnsuitableError, match="0 pixels of the images hold a measurement"):
        collect_training_images([np.full((20, 20), np.nan, dtype=np.float32)], SMALL, _generator())


@pytest.mark.parametrize(("blind_y_px", "blind_x_px"), [(0, 3), (2, 0), (1, 1)])
def test_a_structured_mask_hides_what_correlates_with_the_target(blind_y_px: int, blind_x_px: int) -> None:
    height, width = 30, 33
    image = torch.arange(height * width, dtype=torch.float32).view(1, height, width)
    blind_px = torch.tensor([[blind_y_px, blind_x_px]])
    mask = torch.zeros_like(image, dtype=torch.bool)
    for y, x in [(10, 16), (0, 0), (29, 30)]:
        mask[0, y, x] = True
    for seed in range(20):
        masked = mask_pixels(
            image, mask=mask, usable=_everything(image), blind_px=blind_px, generator=_generator(seed)
        )
        assert len(masked.y) == 3
        grid_y, grid_x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        hidden = torch.zeros_like(image, dtype=torch.bool)
        for y, x in zip(masked.y, masked.x, strict=True):
            spot = ((grid_y - y).abs() <= blind_y_px) & ((grid_x - x).abs() <= blind_x_px)
            hidden[0] |= spot
            source = masked.image[0][spot].long()
            # No value comes from within the blind spot, and none from far away.
            assert not bool((spot.flatten()[source]).any())
            assert int((source // width - y).abs().max()) <= max(blind_y_px, blind_x_px) + 2
        assert torch.equal(masked.image[~hidden], image[~hidden])
        assert bool((masked.image[hidden] != image[hidden]).all())


def test_a_structured_mask_rotates_with_the_patch() -> None:
    plane = np.arange(32 * 32, dtype=np.float32).reshape(32, 32)
    preset = replace(SMALL, blind_x_px=2)
    images = collect_training_images([plane], preset, _generator())
    generator = _generator(1)
    turned = set()
    for _ in range(10):
        batch = images.draw(preset, generator)
        for index, patch in enumerate(batch.masked.image):
            along_x = int((patch.diff(dim=1).abs() == 1).sum()) > int((patch.diff(dim=0).abs() == 1).sum())
            turned.add(not along_x)
            of = batch.masked.patch == index
            for value, y, x in zip(batch.target_adu[of], batch.masked.y[of], batch.masked.x[of], strict=True):
                line, at = (patch[y], x) if along_x else (patch[:, x], y)
                beside = line[max(int(at) - 2, 0) : int(at) + 3]
                assert int(((beside - value).abs() <= 2).sum()) == 0
    assert turned == {True, False}


def test_training_uses_only_as_many_planes_of_a_large_stack_as_the_preset_allows() -> None:
    planes = [np.full((40, 40), 10.0 * n, dtype=np.float32) for n in range(20)]
    for room_planes, kept in ((0.1, 1), (7.5, 7), (100, 20)):
        preset = replace(SMALL, training_px=int(room_planes * 1600))
        images = collect_training_images(planes, preset, _generator()).images
        levels = [float(image.observation_adu[0, 0]) for image in images]
        assert len(levels) == kept
        assert levels == sorted(levels)
