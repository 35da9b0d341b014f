"""Speed of the published code (github.com/juglab/PPN2V) on the same work; PPN2V_SRC is its checkout."""

import importlib
import sys
import time
import types
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.speed import CPU, PAPER, Speed, Work

FIT_STEPS = 2000
FIT_BATCH = 250_000
MEASURED_FIT_STEPS = 20
MEASURED_PATCHES = 3
TILE_PX, OVERLAP_PX = 256, 48
VARIANCE_FLOOR_ADU2 = 9.0


def measure(checkout: Path, work: Work) -> Speed:
    """Time the published functions as its notebooks call them; the fit is extrapolated from a few steps."""
    _make_importable(checkout)
    noise_model, fit_s = _fit(work)
    network = importlib.import_module("ppn2v.unet.model").UNet(
        PAPER.samples, in_channels=1, depth=PAPER.depth, start_filts=PAPER.features, merge_mode="add"
    )
    network.mean, network.std = float(work.plane_yx.mean()), float(work.plane_yx.std())
    return Speed(_train(work, network, noise_model), _predict(work, network, noise_model), fit_s)


def _fit(work: Work) -> tuple[Any, float]:
    module = importlib.import_module("ppn2v.pn2v.gaussianMixtureNoiseModel")
    signal = work.signal_yx[None].astype(np.float32)
    with TemporaryDirectory() as folder:
        model = module.GaussianMixtureNoiseModel(
            min_signal=float(signal.min()),
            max_signal=float(signal.max()),
            path=f"{folder}/",
            weight=None,
            n_gaussian=3,
            n_coeff=2,
            min_sigma=VARIANCE_FLOOR_ADU2,
            device=CPU,
        )
        steps_s: list[float] = []
        hook = register_optimizer_step_post_hook(lambda *_: steps_s.append(time.perf_counter()))
        started_s = time.perf_counter()
        model.train(signal, work.frames, batchSize=FIT_BATCH, n_epochs=1 + MEASURED_FIT_STEPS)
        hook.remove()
    step_s = (steps_s[-1] - steps_s[0]) / MEASURED_FIT_STEPS
    return model, steps_s[0] - started_s + (FIT_STEPS - 1) * step_s


def _train(work: Work, network: Any, noise_model: Any) -> float:  # noqa: ANN401  # classes of the published code
    training = importlib.import_module("ppn2v.pn2v.training")
    stack = work.plane_yx[None].copy()
    timestamps_s = [time.perf_counter()]
    for _ in range(MEASURED_PATCHES + 1):
        samples, observations, masks, _ = training.trainingPred(
            stack, network, 0, PAPER.patch_px, 1, PAPER.patch_px**2 / 32, CPU, supervised=False
        )
        loss = training.lossFunction(
            samples, observations, masks, noise_model, True, network.std
        )  # positional, as in its signature
        loss.backward()
        timestamps_s.append(time.perf_counter())
    return (timestamps_s[-1] - timestamps_s[1]) / MEASURED_PATCHES


def _predict(work: Work, network: Any, noise_model: Any) -> float:  # noqa: ANN401  # classes of the published code
    prediction = importlib.import_module("ppn2v.pn2v.prediction")
    started_s = time.perf_counter()
    with torch.no_grad():
        prediction.tiledPredict(
            work.plane_yx, network, ps=TILE_PX, overlap=OVERLAP_PX, device=CPU, noiseModel=noise_model
        )
    return (time.perf_counter() - started_s) / (work.plane_yx.size / 1e6)


def _make_importable(checkout: Path) -> None:
    """Add the checkout to sys.path, with stubs for names that newer libraries have removed."""
    sys.path.insert(0, str(checkout / "src"))
    for alias, kind in {"int": int, "float": float}.items():
        if not hasattr(np, alias):
            setattr(np, alias, kind)
    functional = types.ModuleType("torchvision.transforms.functional")
    functional.to_tensor = lambda image: torch.from_numpy(image.transpose(2, 0, 1).copy())  # type: ignore[attr-defined]  # a stub module
    transforms = types.ModuleType("torchvision.transforms")
    transforms.functional = functional  # type: ignore[attr-defined]  # the same
    torchvision = types.ModuleType("torchvision")
    torchvision.transforms = transforms  # type: ignore[attr-defined]  # the same
    for module in (torchvision, transforms, functional):
        sys.modules.setdefault(module.__name__, module)
