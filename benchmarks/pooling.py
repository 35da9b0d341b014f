"""Noise models pooled from 1 to 64 simulated images, and the bias of their pseudo ground truth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from rich.table import Table
from scipy import ndimage

from benchmarks.verdict import specimens
from models_store.survey.survey import survey_planes
from worker.engine.networks.pretrained import packaged_network
from worker.engine.noise.fitting.kept_pairs import KeptPairs
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.models.kinds import AnyNoiseModel
from worker.engine.prediction.inference import predict_plane
from worker.engine.scores.metrics import psnr
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.simulation.scenes import draw_scene
from worker.engine.stages.bootstrap import count_pseudo_pairs
from worker.engine.stages.pool import pool_noise_model
from worker.engine.stages.pretrained import estimate_and_factor, estimate_with_uncertainty, network_for
from worker.judging.image_facts import facts_of

SEED = 15
POOLED, GROUPS = (1, 4, 16, 64), (64, 32, 16, 4)
GAIN_ADU, OFFSET_ADU, READ_NOISE_ADU = 2.2, 100.0, 3.0
DIMMEST, BRIGHTEST = 20.0, 400.0
SCENES, SCENE_PHOTONS = 16, (20, 100, 500)
_SIDE_PX = 256
_BACKGROUND = 0.02
_CPU = torch.device("cpu")

Line = tuple[float, float]


@dataclass(frozen=True, eq=False)
class CountedImage:
    """An image and its pairs, by the pseudo ground truth and by the true signal."""

    observation_yx: np.ndarray
    signal_yx: np.ndarray
    kept: KeptPairs
    of_true_signal: KeptPairs


@dataclass(frozen=True)
class PooledErrors:
    """Errors of models of `images` images each: root mean squares and mean, relative, and in ADU."""

    images: int
    models: int
    gain_rms: float
    gain_mean: float
    read_noise_rms_adu: float
    mean_of_fits_rms: float
    of_true_signal_rms: float


def count_images(count: int) -> Iterator[CountedImage]:
    """Simulate images of different specimens and exposures, and count their pairs as `instant` does."""
    same_yx = np.ones((_SIDE_PX, _SIDE_PX))
    camera = Scmos(GAIN_ADU * same_yx, OFFSET_ADU * same_yx, READ_NOISE_ADU * same_yx)
    for index in range(count):
        rng = np.random.default_rng([SEED, index])
        brightest = float(np.exp(rng.uniform(np.log(DIMMEST), np.log(BRIGHTEST))))
        specimen_yx = simulate_specimen((_SIDE_PX, _SIDE_PX), seed=1000 + index)
        photons_yx = brightest * (specimen_yx + _BACKGROUND)
        observation_yx, signal_yx = camera.observe(photons_yx, rng), camera.signal_adu(photons_yx)
        counts = count_pseudo_pairs(
            [observation_yx],
            packaged_network(),
            facts=facts_of(survey_planes([observation_yx])),
            device=_CPU,
            on_plane=lambda *_: None,
        )
        true = PairCounts()
        true.add(observation_yx, signal_yx)
        yield CountedImage(observation_yx, signal_yx, counts.kept(), true.trimmed().kept())


def measure(images: Sequence[CountedImage]) -> list[PooledErrors]:
    """Pool disjoint groups of the images."""
    errors = []
    single: dict[int, Line] = {}
    for size, groups in zip(POOLED, GROUPS, strict=True):
        lines, means, of_true = [], [], []
        for first in range(0, min(groups * size, len(images)), size):
            group = range(first, first + size)
            lines.append(_pooled_line([images[index] for index in group]))
            if size == 1:
                single[first] = lines[-1]
            fits = [single[index] for index in group if index in single]
            means.append(np.mean([gain for gain, _ in fits]) if len(fits) == size else np.nan)
            kept = PairCounts.sum_of([images[index].of_true_signal for index in group])
            curve = kept.photon_transfer_curve()
            of_true.append(_line(curve.signal_adu, curve.variance_adu2, curve.count)[0])
        gains, reads = (np.array(each) for each in zip(*lines, strict=True))
        errors.append(
            PooledErrors(
                size,
                len(lines),
                _rms(gains / GAIN_ADU - 1),
                float(np.mean(gains / GAIN_ADU - 1)),
                _rms(reads - READ_NOISE_ADU),
                _rms(np.array(means) / GAIN_ADU - 1),
                _rms(np.array(of_true) / GAIN_ADU - 1),
            )
        )
    return errors


def table(errors: Sequence[PooledErrors]) -> Table:
    shown = Table(
        "images",
        "models",
        "gain: error (rms)",
        "mean error",
        "read noise: error (rms)",
        "gain, mean of fits (rms)",
        "gain, true signals (rms)",
        title=f"pooled noise models, gain {GAIN_ADU} DN/e-, read noise {READ_NOISE_ADU} DN, seed {SEED}",
    )
    for each in errors:
        shown.add_row(
            str(each.images),
            str(each.models),
            f"{each.gain_rms:.2%}",
            f"{each.gain_mean:+.2%}",
            f"{each.read_noise_rms_adu:.2f} DN",
            f"{each.mean_of_fits_rms:.2%}",
            f"{each.of_true_signal_rms:.2%}",
        )
    return shown


def compare_denoised(images: Sequence[CountedImage], pooled: AnyNoiseModel) -> Table:
    """Denoise images as `instant` does, on their own noise scale and on that of the pooled noise model."""
    gains_db = []
    for image in images:
        plane_yx = image.observation_yx.astype(np.float32)
        own_db, pooled_db = (
            psnr(image.signal_yx, predict_plane(network, plane_yx, device=_CPU).prior_mean_yx)
            for network in (
                network_for(packaged_network(), None, plane_yx),
                network_for(packaged_network(), pooled, plane_yx),
            )
        )
        gains_db.append(pooled_db - own_db)
    shown = Table(
        "images", "mean", "worst", "best", title="PSNR with the pooled noise model, against without"
    )
    cells = (np.mean(gains_db), min(gains_db), max(gains_db))
    shown.add_row(str(len(images)), *(f"{each:+.3f} dB" for each in cells))
    return shown


def widened() -> Table:
    """Compare the variance of widened residuals with that of the noise, as of posterior means and as now."""
    ratios: dict[str, list[tuple[float, float]]] = {}
    for name, specimen_yx in _scenes():
        for photons in SCENE_PHOTONS:
            rng = np.random.default_rng([SEED, photons])
            expected_yx = 2 + photons * specimen_yx
            signal_yx = OFFSET_ADU + 2 * expected_yx
            noise_yx = 2 * (rng.poisson(expected_yx) - expected_yx) + rng.normal(0, 2, specimen_yx.shape)
            weight_yx = 1 / (4 * expected_yx + 4)
            plane_yx = (signal_yx + noise_yx).astype(np.float32)
            network = network_for(packaged_network(), None, plane_yx)
            found = estimate_with_uncertainty(network, plane_yx, device=_CPU, symmetries=1)
            estimate_yx, factor_yx = estimate_and_factor(packaged_network(), plane_yx, device=_CPU)
            square_yx = (plane_yx - estimate_yx) ** 2 * weight_yx
            true = float((noise_yx**2 * weight_yx).mean())
            before = float((square_yx / (1 - found.copied_yx)).mean()) / true
            now = float((square_yx * factor_yx**2).mean()) / true
            ratios.setdefault(name, []).append((before, now))
    shown = Table("specimens", "posterior means", "now", title="variance of residuals, of that of the noise")
    for name, found_ratios in ratios.items():
        cells = (f"{min(each):.3f} to {max(each):.3f}" for each in zip(*found_ratios, strict=True))
        shown.add_row(name, *cells)
    every = np.array([each for of_name in ratios.values() for each in of_name])
    shown.add_row("mean of all", *(f"{each:.3f}" for each in every.mean(axis=0)))
    return shown


def pooled_model(images: Sequence[CountedImage]) -> AnyNoiseModel:
    return pool_noise_model([each.kept for each in images], seed=SEED).selected.fitted.model


def _scenes() -> Iterator[tuple[str, np.ndarray]]:
    for index in range(SCENES):
        scene_yx = draw_scene((_SIDE_PX, _SIDE_PX), np.random.default_rng([SEED, index]))
        yield "drawn scenes", (scene_yx / np.percentile(scene_yx, 99.9)).clip(0, 1.5)
    yield from specimens().items()


def _pooled_line(images: Sequence[CountedImage]) -> Line:
    """Return gain and read noise (ADU) of a pooled model: of the line through its variances."""
    model = pooled_model(images)
    curve = PairCounts.sum_of([each.kept for each in images]).photon_transfer_curve()
    variance_adu2 = model.variance_adu2(torch.from_numpy(curve.signal_adu)).numpy()
    return _line(curve.signal_adu, variance_adu2, curve.count)


def _line(signal_adu: np.ndarray, variance_adu2: np.ndarray, pixels: np.ndarray) -> Line:
    smooth = ndimage.gaussian_filter1d(variance_adu2, 2)
    gain, constant = np.polyfit(signal_adu, variance_adu2, 1, w=np.sqrt(pixels) / smooth)
    return float(gain), float(np.sqrt(max(constant + gain * OFFSET_ADU - 1 / 12, 0)))


def _rms(errors: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(errors**2))) if np.isfinite(errors).any() else float("nan")
