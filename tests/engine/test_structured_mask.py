"""Structured masks hide neighbours with correlated noise."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from worker.engine.prediction.inference import predict_plane
from worker.engine.scores.metrics import psnr
from worker.engine.simulation import simulate_specimen
from worker.engine.training.loop import train
from worker.engine.training.presets import PRESETS

SHAPE_YX = (160, 160)
SMALL = replace(
    PRESETS["fast"],
    features=16,
    patch_px=64,
    patches_per_step=4,
    patches_at_once=4,
    n2v_steps=150,
    symmetries=1,
)
CPU = torch.device("cpu")


@pytest.mark.slow
def test_a_mask_along_the_correlation_keeps_the_noise_out() -> None:
    """The noise correlates by 0.49 along x, so half of it is visible beside the pixel."""
    signal_yx = 1000 + 600 * simulate_specimen(SHAPE_YX, seed=3)
    white = np.random.default_rng(3).normal(size=(SHAPE_YX[0], SHAPE_YX[1] + 1))
    observation_yx = (signal_yx + 60 * (white[:, 1:] + 0.8 * white[:, :-1])).astype(np.float32)

    def score(blind_x_px: int) -> float:
        preset = replace(SMALL, blind_x_px=blind_x_px)
        network = train(
            [observation_yx], method="n2v", preset=preset, seed=1, device=CPU, on_step=lambda _: None
        )
        return psnr(predict_plane(network, observation_yx, device=CPU).prior_mean_yx, signal_yx)

    assert score(1) > score(0) + 5
