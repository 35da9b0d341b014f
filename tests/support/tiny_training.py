"""Fixtures for training tests: a specimen, its noise, presets that take seconds, checkpoints in memory."""

import math
from dataclasses import replace

import numpy as np
import torch

from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.training.presets import PRESETS, TrainingPreset

CPU = torch.device("cpu")
TINY: TrainingPreset = replace(
    PRESETS["fast"],
    features=8,
    depth=2,
    samples=20,
    patch_px=32,
    patches_per_step=8,
    patches_at_once=8,
    n2v_steps=20,
    pn2v_steps=20,
    steps_per_validation=5,
    n2v_learning_rate=3e-3,
    pn2v_learning_rate=3e-3,
    reduced_precision=False,
    symmetries=1,
)
QUICK: TrainingPreset = replace(
    TINY, depth=3, n2v_steps=60, pn2v_steps=60, distillation_steps=60, steps_per_validation=20
)
"""Trains long enough to remove noise."""

NOISE_STD_ADU = 10.0
NOISE = GaussianMixtureNoiseModel(
    torch.tensor([[0.0], [math.log(NOISE_STD_ADU**2)], [0.0]], dtype=torch.float64), 50.0, 250.0, 1.0
)
SKEWED_NOISE = GaussianMixtureNoiseModel(
    torch.tensor(
        [[0.0, 0.0], [3.0, -2.0], [math.log(80.0), 3.0], [math.log(300.0), 4.0], [0.5, 0.0], [0.0, 0.3]],
        dtype=torch.float64,
    ),
    signal_min_adu=50.0,
    signal_max_adu=250.0,
    variance_floor_adu2=1.0,
)
"""Two components, with means and variances that depend on the signal."""


def specimen(size_px: int = 96) -> np.ndarray:
    """Return a square of smooth structures (Y, X), ADU."""
    y, x = np.mgrid[:size_px, :size_px] / 12
    return np.asarray(150 + 60 * np.sin(x + np.sin(y)) * np.cos(y), dtype=np.float32)


def exposure(size_px: int = 96, seed: int = 0) -> np.ndarray:
    """Return the specimen under the noise of `NOISE`."""
    noise = np.random.default_rng(seed).normal(0, NOISE_STD_ADU, (size_px, size_px))
    return np.asarray(specimen(size_px) + noise, dtype=np.float32)


class MemoryCheckpoints:
    """Checkpoint store that keeps the last checkpoint."""

    def __init__(self) -> None:
        self.content: bytes | None = None

    def load(self) -> bytes | None:
        return self.content

    def save(self, content: bytes) -> None:
        self.content = content


class StoppedError(Exception):
    """Raised by a test to interrupt a run."""
