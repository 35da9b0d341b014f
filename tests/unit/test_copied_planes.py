"""Planes that repeat a frame count once in what is learned from an image."""

from collections.abc import Sequence
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from models_store.image_files.stack_axis import StackAxis
from worker.engine.networks.pretrained import packaged_network
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.planes.sequence import numbered_with_data
from worker.engine.stages.bootstrap import count_pseudo_pairs
from worker.engine.training.patches import collect_training_images
from worker.engine.training.presets import PRESETS
from worker.planes.float_planes import FloatPlanes
from worker.planes.observed_stack import ObservedStack

FIRST, SECOND = np.random.default_rng(1).poisson([[[40]], [[50]]], (2, 48, 48)).astype(np.uint16)
STAMPED = SECOND.copy()
STAMPED[0, :8] = np.arange(8)


def planes_of(*images: Sequence[np.ndarray]) -> FloatPlanes:
    return FloatPlanes([ObservedStack(frames, StackAxis("T", len(frames), 1)) for frames in images])


def test_copies_are_no_pixel_pairs_of_a_noise_model() -> None:
    doubled, once = (
        count_pseudo_pairs(
            planes_of(frames),
            packaged_network(),
            facts=ImageFacts(0, 100, 1),
            device=torch.device("cpu"),
            on_plane=Mock(),
        ).kept()
        for frames in ([FIRST, SECOND, FIRST, STAMPED], [FIRST, SECOND])
    )
    assert doubled.count.sum() == once.count.sum()
    for name in ("signal_adu", "deviation_adu", "count", "row"):
        assert np.array_equal(getattr(doubled, name), getattr(once, name)), name


@pytest.mark.parametrize("images", [[[FIRST, SECOND, FIRST, STAMPED]], [[FIRST, SECOND], [SECOND, FIRST]]])
def test_copies_are_no_training_planes_whatever_plane_is_read_first(images: list[list[np.ndarray]]) -> None:
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        found = collect_training_images(planes_of(*images), PRESETS["fast"], generator)
        assert len(found.images) == 2
        means = sorted(float(each.observation_adu[each.usable].mean()) for each in found.images)
        assert means == pytest.approx(sorted([FIRST.mean(), SECOND.mean()]), abs=0.3)


def test_the_next_different_plane_takes_the_place_of_a_copy() -> None:
    third = np.random.default_rng(3).poisson(40, (48, 48)).astype(np.uint16)
    planes = planes_of([FIRST, FIRST, FIRST, third, SECOND, FIRST])
    assert [index for index, _ in numbered_with_data(planes, 2)] == [0]
    assert [index for index, _ in numbered_with_data(planes, 6)] == [0, 3, 4]
    assert np.isfinite(planes[0]).all()
    assert np.isnan(planes[5]).all()
