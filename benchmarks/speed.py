"""Speed of training, prediction and noise model fits with the paper's architecture."""

import time
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch

from worker.engine.networks.network import Network
from worker.engine.noise.fitting.fit import fit_gmm
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.prediction.inference import predict_plane
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.training.loop import TrainingStep, train
from worker.engine.training.presets import PRESETS

PAPER = replace(PRESETS["paper"], pn2v_steps=1000)
PLANE_YX = (512, 512)
CALIBRATION_FRAMES = 100
MEASURED_STEPS = 3
CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Work:
    """Input shared by our engine and the published code; images in ADU."""

    plane_yx: np.ndarray
    signal_yx: np.ndarray
    frames: np.ndarray
    """Calibration frames (M, Y, X) of one static scene."""


@dataclass(frozen=True)
class Speed:
    seconds_per_patch: float
    seconds_per_megapixel: float
    seconds_per_fit: float


class _StopTrainingError(Exception):
    """Raised to end a training run once it has been measured."""


def make_work(seed: int) -> Work:
    rng = np.random.default_rng(seed)
    specimen_yx = simulate_specimen(PLANE_YX, seed=seed)
    camera = Scmos.with_maps(PLANE_YX, seed=seed)
    photons_yx = 200 * specimen_yx
    frames = np.stack([camera.observe(photons_yx, rng) for _ in range(CALIBRATION_FRAMES)])
    return Work(frames[0].astype(np.float32), camera.signal_adu(photons_yx), frames)


def measure(work: Work) -> Speed:
    started_s = time.perf_counter()
    noise_model = _fit(work)
    fit_s = time.perf_counter() - started_s
    seconds_per_patch, network = _train(work, noise_model)
    _predict(work, network, noise_model)  # warm-up: compiles what is compiled on first use
    started_s = time.perf_counter()
    _predict(work, network, noise_model)
    megapixels = work.plane_yx.size / 1e6
    return Speed(seconds_per_patch, (time.perf_counter() - started_s) / megapixels, fit_s)


def _fit(work: Work) -> GaussianMixtureNoiseModel:
    counts = PairCounts()
    for frame_yx in work.frames:
        counts.add(frame_yx, work.signal_yx)
    return fit_gmm(counts, generator=torch.Generator().manual_seed(0)).model


def _train(work: Work, noise_model: GaussianMixtureNoiseModel) -> tuple[float, Network]:
    timestamps_s: list[float] = []

    def on_step(step: TrainingStep) -> None:
        timestamps_s.append(time.perf_counter())
        if step.step > MEASURED_STEPS:
            raise _StopTrainingError

    with suppress(_StopTrainingError):
        train(
            [work.plane_yx],
            method="pn2v",
            preset=PAPER,
            noise_model=noise_model,
            seed=0,
            device=CPU,
            on_step=on_step,
        )
    steps = len(timestamps_s) - 1
    seconds_per_patch = (timestamps_s[-1] - timestamps_s[0]) / steps / PAPER.patches_per_step
    one_step = replace(PAPER, pn2v_steps=1, patches_per_step=1)
    network = train(
        [work.plane_yx],
        method="pn2v",
        preset=one_step,
        noise_model=noise_model,
        seed=0,
        device=CPU,
        on_step=lambda _: None,
    )
    return seconds_per_patch, network


def _predict(work: Work, network: Network, noise_model: GaussianMixtureNoiseModel) -> None:
    predict_plane(network, work.plane_yx, noise_model=noise_model, device=CPU)
