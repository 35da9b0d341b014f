"""Denoising quality and time, compared with classical filters."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.classical import Filtered, Result, best_result, bm3d_results, gaussian_blurs
from benchmarks.fields import ScoredField
from models_store.contracts.vocabulary import Preset, Prior
from tests.support.all_stages import run_all_stages
from worker.engine.prediction.inference import predict_plane
from worker.engine.scores.metrics import affine_invariant_psnr
from worker.engine.stages.denoise import denoise_plane
from worker.engine.training.presets import TrainingPreset
from worker.offline.denoise import DenoiseOptions, denoise_file

SEED = 0
RAW, BLUR, BM3D = "raw", "best Gaussian", "BM3D"
N2V, PRIOR, MMSE, DISTILLED, DELIVERED = "N2V", "PN2V prior", "PN2V MMSE", "distilled", "delivered"
FILTERS, TRAINED = (RAW, BLUR, BM3D), (N2V, PRIOR, MMSE, DISTILLED, DELIVERED)
WEIGHTS = np.linspace(0.0, 1.0, 21)


@dataclass(frozen=True, eq=False)
class Estimate:
    """One estimate of a field, and the processor seconds it took from the noisy image."""

    image_yx: NDArray[np.float32]
    seconds: float


@dataclass(frozen=True)
class DenoisedField:
    """All estimates of one field."""

    field: str
    preset: str
    estimates: Mapping[str, Estimate]
    delivered: str
    """Name of the delivered estimate."""


@dataclass(frozen=True)
class Score:
    """Scores of all methods on one field."""

    field: str
    preset: str
    methods: Mapping[str, Filtered]
    delivered: str
    averaged_db: float
    """Best PSNR of a weighted mean of the delivered estimate and BM3D's result, with an oracle weight; errors
    that both share remain."""

    @property
    def gain_db(self) -> float:
        """PSNR gain of the delivered estimate over the better classical filter."""
        return self.methods[DELIVERED].psnr_db - max(self.methods[name].psnr_db for name in (BLUR, BM3D))


def filtered(field: ScoredField) -> dict[str, Sequence[Result]]:
    """Return the noisy image, and the classical filters' results for all parameters."""
    observation_yx = field.observation_yx.astype(np.float64)
    return {
        RAW: [Result(observation_yx, 0.0)],
        BLUR: gaussian_blurs(observation_yx),
        BM3D: bm3d_results(observation_yx, field.reference_yx.astype(np.float64)),
    }


def denoised(
    field: ScoredField, preset: TrainingPreset, *, several: bool = False, prior: Prior = Prior.NONE
) -> DenoisedField:
    """Denoise one field, training on it alone or, if `several`, on more images of the specimen too."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    observation_yx = field.observation_yx.astype(np.float32)
    others = [other_yx.astype(np.float32) for other_yx in field.others] if several else []
    with TemporaryDirectory() as folder:
        images = [observation_yx, *others]
        stages = run_all_stages(images, preset, Path(folder), device=device, prior=prior)
    denoiser = stages.denoiser
    result = denoise_plane(observation_yx, denoiser, device=device)
    seconds = stages.processor_s
    estimates = {
        DELIVERED: Estimate(result.image_yx, seconds),
    }
    if result.pn2v is not None:
        estimates[PRIOR] = Estimate(result.pn2v.prior_mean_yx, seconds)
    if result.pn2v is not None and result.pn2v.mmse_yx is not None:
        estimates[MMSE] = Estimate(result.pn2v.mmse_yx, seconds)
    if denoiser.n2v is not None:
        started_s = time.process_time()
        n2v_yx = predict_plane(denoiser.n2v, observation_yx, device=device).prior_mean_yx
        estimates[N2V] = Estimate(n2v_yx, stages.seconds["n2v"] + time.process_time() - started_s)
    if denoiser.distilled is not None:
        distilled = predict_plane(denoiser.distilled, observation_yx, device=device)
        estimates[DISTILLED] = Estimate(distilled.prior_mean_yx, seconds)
    name = f"{field.name}, {1 + len(others)} images" if several else field.name
    return DenoisedField(name, preset.name, estimates, denoiser.choice.estimate)


def instant(field: ScoredField) -> DenoisedField:
    """Denoise one field with the preset that trains nothing."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "field.tif", Path(folder) / "denoised.tif"
        tifffile.imwrite(source, field.observation_yx)
        started_s = time.process_time()
        options = DenoiseOptions(device=device, preset=Preset.INSTANT, seed=SEED)
        summary = denoise_file(source, target, options, lambda *_: None)
        delivered = Estimate(tifffile.imread(target), time.process_time() - started_s)
    return DenoisedField(field.name, Preset.INSTANT, {DELIVERED: delivered}, summary.channels[0].estimate)


def score(found: DenoisedField, reference_yx: NDArray[Any], filters: Mapping[str, Sequence[Result]]) -> Score:
    """Score all estimates and filter results against a reference."""
    methods = {name: best_result(results, reference_yx) for name, results in filters.items()}
    for name, estimate in found.estimates.items():
        result = Result(estimate.image_yx.astype(np.float64), estimate.seconds)
        methods[name] = best_result([result], reference_yx)
    averaged_db = _best_mean_db(methods[DELIVERED].image_yx, methods[BM3D].image_yx, reference_yx)
    return Score(found.field, found.preset, methods, found.delivered, averaged_db)


def _best_mean_db(
    one_yx: NDArray[np.float64], other_yx: NDArray[np.float64], reference_yx: NDArray[Any]
) -> float:
    means_yx = ((1 - weight) * one_yx + weight * other_yx for weight in WEIGHTS)
    return max(affine_invariant_psnr(mean_yx, reference_yx) for mean_yx in means_yx)


def table(scores: Sequence[Score], reference: str) -> Table:
    """Render decibels and seconds; `reference` names the reference that was scored against."""
    rendered = Table(
        "field",
        "preset",
        *FILTERS,
        *TRAINED,
        "delivered estimate",
        "gain over the better filter",
        "averaged with BM3D",
        title=f"Affine-invariant PSNR (dB), reference {reference}, and processor seconds, seed {SEED}",
        caption="Oracle parameters: the reference chose the blur's width and BM3D's strength; the unchanged "
        "reference gave BM3D the noise.",
    )
    for each in scores:
        cells = [
            f"{found.psnr_db:.2f}  {found.seconds:.0f} s" if (found := each.methods.get(name)) else "-"
            for name in (*FILTERS, *TRAINED)
        ]
        rendered.add_row(
            each.field, each.preset, *cells, each.delivered, f"{each.gain_db:+.2f}", f"{each.averaged_db:.2f}"
        )
    return rendered
