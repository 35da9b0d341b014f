"""Prediction with the pretrained network in bfloat16 and in float32, alternating: ratio and deviation."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from unittest.mock import patch

import numpy as np
import torch
from rich.table import Table

from worker.engine.networks.pretrained import packaged_network
from worker.engine.prediction import inference
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.stages.pretrained import network_for

_CPU = torch.device("cpu")
_REPEATS = 3


@dataclass(frozen=True)
class Precision:
    """Seconds of float32 over those of bfloat16 (medians), and the root mean square deviation."""

    megapixels_per_cpu_second: float
    cpu_ratio: float
    wall_ratio: float
    deviation: float
    """In standard deviations of the noise."""


def measure(side_px: int = 512) -> Precision:
    """Predict a noisy plane in eight symmetries; both are the same without bfloat16 in the hardware."""
    photons = 60 * simulate_specimen((side_px, side_px), seed=7)
    detector = Scmos.with_maps((side_px, side_px), seed=1)
    plane_yx = detector.observe(photons, np.random.default_rng(1)).astype(np.float32)
    network = network_for(packaged_network(), None, plane_yx)

    def predict() -> np.ndarray:
        return inference.predict_plane(network, plane_yx, device=_CPU).prior_mean_yx

    def predict_in_float32() -> np.ndarray:
        with patch.object(inference, "has_bfloat16", lambda _: False):
            return predict()

    predict()
    timed = [(_timed(predict_in_float32), _timed(predict)) for _ in range(_REPEATS)]
    (exact_yx, *_), (found_yx, *_) = timed[-1]
    noise_yx = network.scale.noise_adu(torch.from_numpy(exact_yx)).numpy()
    return Precision(
        side_px**2 / 1e6 / median(reduced[1] for _, reduced in timed),
        median(exact[1] / reduced[1] for exact, reduced in timed),
        median(exact[2] / reduced[2] for exact, reduced in timed),
        float(np.sqrt(np.mean(((found_yx - exact_yx) / noise_yx) ** 2))),
    )


def table(found: Precision) -> Table:
    title = "Prediction with the pretrained network, 8 symmetries: bfloat16 against float32"
    made = Table("megapixels per CPU second", "CPU ratio", "wall ratio", "deviation, noise std", title=title)
    made.add_row(
        f"{found.megapixels_per_cpu_second:.3f}",
        f"{found.cpu_ratio:.2f}x",
        f"{found.wall_ratio:.2f}x",
        f"{found.deviation:.4f}",
    )
    return made


def _timed(predict: Callable[[], np.ndarray]) -> tuple[np.ndarray, float, float]:
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    estimate_yx = predict()
    return estimate_yx, time.process_time() - cpu_s, time.perf_counter() - wall_s
