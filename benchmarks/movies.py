"""Movies denoised by the preset `instant`, plane by plane and with neighbours, compared with BM4D.

BM4D gets the camera's true noise line, and the ground truth chooses its strength.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import tifffile
import torch
from bm4d import bm4d
from numpy.typing import NDArray
from rich.table import Table
from scipy import ndimage

from benchmarks.classical import NoiseLine
from benchmarks.fields import REAL_FIELDS
from models_store.contracts.vocabulary import Preset
from worker.engine.networks.pretrained import packaged_network
from worker.engine.prediction.inference import predict_plane
from worker.engine.scores.metrics import psnr
from worker.engine.scores.traces import TraceScore
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.stages.pretrained import network_for
from worker.offline.denoise import DenoiseOptions, denoise_file

CPU = torch.device("cpu")
FRAMES, SIDE_PX, PHOTONS, BACKGROUND = 16, 160, 30.0, 0.05
GAIN_ADU_PER_E, READ_NOISE_ADU = 2.2, 3.3
SPEEDS_PX = (0.0, 0.3, 1.5, 4.0)
DIRECTIONS_RAD = (0.4, 2.9)
FIELDS = ("fmd BPAE_B", "miro ch1 20 ms")
BM4D_STRENGTHS = (1.0, 1.15)
SEED = 1

Movie = NDArray[np.float64]
Result = TypeVar("Result")


@dataclass(frozen=True)
class MovieScore:
    """Scores of one movie: mean PSNR over planes, SNR of traces (None if still), and processor seconds."""

    name: str
    noisy_db: float
    alone_db: float
    delivered_db: float
    bm4d_db: float
    traces_db: tuple[float | None, float | None, float | None]
    """Of the planes denoised alone, of what is delivered, and of BM4D."""
    estimate: str
    delivered_s: float
    bm4d_s: float


def movies() -> Iterator[tuple[str, Movie]]:
    """Yield the relative light (T, Y, X) of simulated movies, and of real fields that move as a whole."""
    specimens = [simulate_specimen((2 * SIDE_PX, 2 * SIDE_PX), seed=SEED + layer) for layer in range(2)]
    for speed_px in SPEEDS_PX:
        layers = [
            _moved(specimen, speed_px, direction)
            for specimen, direction in zip(specimens, DIRECTIONS_RAD, strict=True)
        ]
        yield f"two layers, {speed_px:g} px a frame", _relative(layers[0] + 0.6 * layers[1])
    shuffled = _relative(_moved(specimens[0], SPEEDS_PX[-1], DIRECTIONS_RAD[0]))
    yield "4 px a frame, shuffled", shuffled[np.random.default_rng(SEED).permutation(FRAMES)]
    others = [simulate_specimen((SIDE_PX, SIDE_PX), seed=100 + place) for place in range(FRAMES)]
    yield "unrelated planes", _relative(np.stack(others))
    if folder := os.environ.get("CLEARSCOPE_TEST_DATA"):
        for field in FIELDS:
            clean = tifffile.imread(Path(folder) / REAL_FIELDS[field][1]).astype(np.float64)
            for speed_px in SPEEDS_PX[1:]:
                yield (
                    f"{field}, {speed_px:g} px a frame",
                    _relative(_moved(clean, speed_px, DIRECTIONS_RAD[0])),
                )


def measure(name: str, light_tyx: Movie) -> MovieScore:
    """Record a movie with a simulated camera, denoise it, and score the results."""
    camera = Scmos.with_maps(
        light_tyx.shape[1:], seed=SEED, gain_adu_per_e=GAIN_ADU_PER_E, read_noise_adu=READ_NOISE_ADU
    )
    photons_tyx = PHOTONS * (BACKGROUND + (1 - BACKGROUND) * light_tyx)
    rng = np.random.default_rng(SEED)
    observed = np.stack([camera.observe(photons_yx, rng) for photons_yx in photons_tyx])
    signal = np.stack([camera.signal_adu(photons_yx) for photons_yx in photons_tyx])
    alone = np.stack([_alone(plane_yx.astype(np.float32)) for plane_yx in observed])
    (delivered, estimate), delivered_s = _timed(partial(_delivered, observed))
    attempts = [_timed(partial(_bm4d, observed, strength)) for strength in BM4D_STRENGTHS]
    bm4d_tyx, bm4d_s = max(attempts, key=lambda attempt: _psnr(attempt[0], signal))
    return MovieScore(
        name=name,
        noisy_db=_psnr(observed, signal),
        alone_db=_psnr(alone, signal),
        delivered_db=_psnr(delivered, signal),
        bm4d_db=_psnr(bm4d_tyx, signal),
        traces_db=(_traces(alone, signal), _traces(delivered, signal), _traces(bm4d_tyx, signal)),
        estimate=estimate,
        delivered_s=delivered_s,
        bm4d_s=bm4d_s,
    )


def table(scores: list[MovieScore]) -> Table:
    """Render decibels and processor seconds."""
    rendered = Table(
        "movie",
        "noisy",
        "plane by plane",
        "delivered",
        "estimate",
        "BM4D",
        "over BM4D",
        "traces: alone, delivered, BM4D",
        "CPU s",
        "BM4D, CPU s",
        title=f"Movies of {FRAMES} x {SIDE_PX} x {SIDE_PX}, {PHOTONS:g} photons, preset instant, dB",
        caption="BM4D with the camera's noise line and an oracle strength; its time is that of one strength.",
    )
    for each in scores:
        traces = ", ".join("-" if value is None else f"{value:.1f}" for value in each.traces_db)
        rendered.add_row(
            each.name,
            f"{each.noisy_db:.2f}",
            f"{each.alone_db:.2f}",
            f"{each.delivered_db:.2f}",
            each.estimate,
            f"{each.bm4d_db:.2f}",
            f"{each.delivered_db - each.bm4d_db:+.2f}",
            traces,
            f"{each.delivered_s:.0f}",
            f"{each.bm4d_s:.0f}",
        )
    return rendered


def _moved(image_yx: Movie, speed_px: float, direction_rad: float) -> Movie:
    """Return the brightest square of an image, moving at a constant speed and sharp in each frame."""
    margin_px = round(SPEEDS_PX[-1] * FRAMES / 2) + 2
    reach_px = SIDE_PX // 2 + margin_px
    inner = (slice(reach_px, -reach_px),) * 2
    brightness = ndimage.uniform_filter(image_yx, SIDE_PX)[inner]
    top, left = np.unravel_index(int(brightness.argmax()), brightness.shape)
    part = image_yx[top : top + 2 * reach_px, left : left + 2 * reach_px]
    step = speed_px * np.array([np.sin(direction_rad), np.cos(direction_rad)])
    square = (slice(margin_px, margin_px + SIDE_PX),) * 2
    frames = [ndimage.shift(part, step * (frame - FRAMES / 2), order=3)[square] for frame in range(FRAMES)]
    return np.stack(frames).clip(0)


def _relative(light_tyx: Movie) -> Movie:
    return light_tyx / float(np.quantile(light_tyx, 0.999))


def _alone(plane_yx: NDArray[np.float32]) -> NDArray[np.float32]:
    return predict_plane(network_for(packaged_network(), None, plane_yx), plane_yx, device=CPU).prior_mean_yx


def _delivered(observed: NDArray[np.uint16]) -> tuple[NDArray[np.float32], str]:
    """Denoise a file as users do, and return the result and the name of the chosen estimate."""
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "movie.tif", Path(folder) / "denoised.tif"
        tifffile.imwrite(source, observed, imagej=True, metadata={"axes": "TYX"})
        options = DenoiseOptions(device=CPU, preset=Preset.INSTANT)
        summary = denoise_file(source, target, options, lambda *_: None)
        return tifffile.imread(target), summary.channels[0].estimate


def _bm4d(observed: NDArray[np.uint16], strength: float) -> Movie:
    """Filter the stabilised movie; the camera's noise line is known."""
    dark_adu = 100.0
    noise = NoiseLine(GAIN_ADU_PER_E, READ_NOISE_ADU**2 + 1 / 12)
    stable = np.ascontiguousarray(noise.stabilise(observed.astype(np.float64) - dark_adu).transpose(1, 2, 0))
    return noise.restore(bm4d(stable, strength)).transpose(2, 0, 1) + dark_adu


def _timed(compute: Callable[[], Result]) -> tuple[Result, float]:
    started_s = time.process_time()
    result = compute()
    return result, time.process_time() - started_s


def _psnr(movie: NDArray[Any], signal: Movie) -> float:
    return float(np.mean([psnr(one, other) for one, other in zip(movie, signal, strict=True)]))


def _traces(movie: NDArray[Any], signal: Movie) -> float | None:
    score = TraceScore()
    for one, other in zip(movie, signal, strict=True):
        score.add(one, other)
    return score.snr_db()
