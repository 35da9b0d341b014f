"""Pixels without a value: filled for the networks, never learned from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.tiny_training import CPU, NOISE, TINY, exposure
from worker.engine.networks.architecture import build_model
from worker.engine.networks.network import Network
from worker.engine.networks.scale import Scale
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.noise.models.likelihood import NoiseModel
from worker.engine.planes.filling import filled
from worker.engine.prediction.inference import predict_plane
from worker.engine.stages.bootstrap import count_pseudo_pairs
from worker.engine.stages.distillation import estimates_of_pn2v
from worker.engine.training.batches import FixedBatch, MaskedBatch
from worker.engine.training.patches import collect_training_images
from worker.engine.training.presets import TrainingPreset
from worker.engine.training.resident import ResidentImages

DRAWING = replace(TINY, patch_px=16, patches_per_step=6, mask_box_px=4)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _network() -> Network:
    model = build_model(TINY.shape("pn2v")).initialise(_generator()).requires_grad_(requires_grad=False)
    return Network(model, "pn2v", "fast", 0, 0, Scale(150.0, 20.0), symmetries=1)


def test_a_single_pixel_becomes_the_mean_of_its_neighbours() -> None:
    image = torch.arange(35.0).view(1, 5, 7).square()
    usable = torch.ones_like(image, dtype=torch.bool)
    usable[0, 2, 3] = usable[0, 0, 0] = False
    image[~usable] = torch.nan
    result = filled(image, usable)
    assert torch.equal(result[usable], image[usable])
    around = [(1, 2), (1, 3), (1, 4), (2, 2), (2, 4), (3, 2), (3, 3), (3, 4)]
    assert result[0, 2, 3].item() == pytest.approx(sum(float(image[0, y, x]) for y, x in around) / 8)
    assert result[0, 0, 0].item() == pytest.approx((1 + 49 + 64) / 3)


@pytest.mark.parametrize("shape", [(64, 50), (1, 33), (130, 1)])
def test_wide_gaps_take_the_level_of_the_nearest_pixels(shape: tuple[int, int]) -> None:
    left = torch.zeros(shape)
    left[:, -1] = 10.0
    usable = torch.zeros(shape, dtype=torch.bool)
    usable[:, :1] = usable[:, -1:] = True
    result = filled(left[None], usable[None])[0]
    assert bool(((result >= 0) & (result <= 10.001)).all())
    if shape[1] > 8:
        assert float(result[:, :5].max()) == 0
        assert float(result[:, -5:].min()) == pytest.approx(10)


def test_an_image_without_usable_pixels_keeps_its_values_and_does_not_see_the_others() -> None:
    images = torch.stack([torch.full((6, 6), 3.0), torch.full((6, 6), 9.0)])
    usable = torch.stack([torch.zeros((6, 6), dtype=torch.bool), torch.ones((6, 6), dtype=torch.bool)])
    assert torch.equal(filled(images, usable), images)


def test_a_border_without_data_does_not_change_the_prediction_beside_it() -> None:
    plane = np.full((48, 48), 300.0, dtype=np.float32)
    expected = predict_plane(_network(), plane, noise_model=NOISE, device=CPU)
    plane[:13] = plane[:, 40:] = plane[30, 20] = np.nan
    found = predict_plane(_network(), plane, noise_model=NOISE, device=CPU)
    np.testing.assert_allclose(found.prior_mean_yx, expected.prior_mean_yx, rtol=1e-5)


@pytest.mark.parametrize("noise_model", [None, NOISE])
def test_a_plane_without_data_stays_without(noise_model: NoiseModel | None) -> None:
    plane = np.full((20, 30), np.nan, dtype=np.float32)
    estimate = predict_plane(_network(), plane, noise_model=noise_model, device=CPU)
    assert np.isnan(estimate.prior_mean_yx).all()
    assert (estimate.mmse_yx is None) == (noise_model is None)


def test_planes_without_data_are_left_out_of_training() -> None:
    empty = np.full((40, 40), np.nan, dtype=np.float32)
    planes = [empty, exposure(40, seed=1), empty, exposure(40, seed=2)]
    images = collect_training_images(planes, replace(DRAWING, validation="last-images"), _generator())
    assert len(images.images) == 2
    assert bool(images.images[1].held_out.any())


def test_patches_are_drawn_where_there_are_data() -> None:
    plane = np.full((200, 300), np.nan, dtype=np.float32)
    plane[150:190, 20:60] = exposure(40)
    plane[160, 30] = np.nan
    images = collect_training_images([plane], DRAWING, _generator())
    assert images.images[0].observation_adu.shape == (40, 40)
    assert images.usable_px == 40 * 40 - 1


def test_planes_without_data_do_not_enter_a_noise_model() -> None:
    empty = np.full((40, 40), np.nan, dtype=np.float32)
    alone, among = (
        count_pseudo_pairs(
            planes, _network(), facts=ImageFacts(0.0, 300.0), device=CPU, on_plane=lambda *_: None
        )
        for planes in ([exposure(40)], [empty, exposure(40), empty])
    )
    assert among.pairs == alone.pairs


def test_rows_without_data_are_not_held_out_for_validation() -> None:
    plane = exposure(60)
    plane[20:] = np.nan
    images = collect_training_images([plane], replace(DRAWING, validation="last-images"), _generator())
    targets = images.draw_validation(DRAWING, _generator()).target_adu
    assert set(targets.tolist()) <= set(plane[19].tolist())
    assert len(targets)


def test_pixels_without_a_value_are_no_targets_of_distillation() -> None:
    plane = exposure(40)
    plane[3:7, 9] = np.nan
    estimate = estimates_of_pn2v([plane], _network(), NOISE, CPU)[0]
    np.testing.assert_array_equal(np.isnan(estimate), np.isnan(plane))


@pytest.mark.parametrize("resident", [False, True])
def test_a_filled_pixel_does_not_tell_the_value_of_a_target_beside_it(*, resident: bool) -> None:
    preset = replace(DRAWING, patch_px=32, patches_per_step=1)
    plane = exposure(40)
    plane[::5, ::5] = np.nan
    changed = plane.copy()
    changed[11, 11] = 2000.0
    compared = 0
    for seed in range(200):
        one, other = (_draw(image, preset, seed, resident=resident) for image in (plane, changed))
        # The changed pixel is a target, and nowhere to be seen: not even as a replacement.
        if bool((other.target_adu == 2000).any()) and float(other.image.max()) < 2000:
            assert torch.equal(one.image, other.image)
            compared += 1
    assert compared


def _draw(
    plane: np.ndarray, preset: TrainingPreset, seed: int, *, resident: bool
) -> MaskedBatch | FixedBatch:
    images = collect_training_images([plane], preset, _generator())
    source = ResidentImages.of(images, CPU) if resident else images
    return source.draw(preset, _generator(seed))
