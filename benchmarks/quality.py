"""How much better images become, and in what time, beside filters that need no training."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.classical import Filtered, Result, blurs, bm3ds, closest
from benchmarks.fields import ScoredField
from tests.support.all_stages import run_all_stages
from worker.engine.prediction.inference import predict_plane
from worker.engine.scores.metrics import affine_invariant_psnr
from worker.engine.stages.denoise import denoise_plane
from worker.engine.training.presets import TrainingPreset

SEED = 0
RAW, BLUR, BM3D = "raw", "best Gaussian", "BM3D"
N2V, PRIOR, MMSE, DISTILLED, DELIVERED = "N2V", "PN2V prior", "PN2V MMSE", "distilled", "delivered"
FILTERS, TRAINED = (RAW, BLUR, BM3D), (N2V, PRIOR, MMSE, DISTILLED, DELIVERED)
WEIGHTS = np.linspace(0.0, 1.0, 21)


@dataclass(frozen=True, eq=False)
class Made:
    """One estimate of a field, and the seconds from the image to it."""

    image_yx: NDArray[np.float32]
    seconds: float


@dataclass(frozen=True)
class DenoisedField:
    """All estimates of one field."""

    field: str
    preset: str
    made: Mapping[str, Made]
    estimate: str
    """Which of them was delivered."""


@dataclass(frozen=True)
class Score:
    """What each method makes of one field."""

    field: str
    preset: str
    methods: Mapping[str, Filtered]
    estimate: str
    averaged_db: float
    """Of the best weighted mean of what was delivered and BM3D's result, the weight chosen with the truth:
    what both get wrong in the same way stays."""

    @property
    def gain_db(self) -> float:
        """Of what was delivered over the better filter."""
        return self.methods[DELIVERED].psnr_db - max(self.methods[name].psnr_db for name in (BLUR, BM3D))


def filtered(field: ScoredField) -> dict[str, Sequence[Result]]:
    """Give the noisy image, and the filters' results, of which the truth may choose."""
    observation_yx = field.observation_yx.astype(np.float64)
    return {
        RAW: [Result(observation_yx, 0.0)],
        BLUR: blurs(observation_yx),
        BM3D: bm3ds(observation_yx, field.reference_yx.astype(np.float64)),
    }


def denoised(field: ScoredField, preset: TrainingPreset, *, several: bool = False) -> DenoisedField:
    """Denoise one field with nothing but itself, or with `several` images of the specimen to learn from."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    observation_yx = field.observation_yx.astype(np.float32)
    others = [other_yx.astype(np.float32) for other_yx in field.others] if several else []
    began_s = time.perf_counter()
    with TemporaryDirectory() as folder:
        stages = run_all_stages([observation_yx, *others], preset, Path(folder), device=device)
    prepared = stages.denoiser
    result = denoise_plane(observation_yx, prepared, device=device)
    seconds = time.perf_counter() - began_s
    made = {PRIOR: Made(result.pn2v.prior_mean_yx, seconds), DELIVERED: Made(result.image_yx, seconds)}
    if result.pn2v.mmse_yx is not None:
        made[MMSE] = Made(result.pn2v.mmse_yx, seconds)
    if prepared.n2v is not None:
        began_s = time.perf_counter()
        n2v_yx = predict_plane(prepared.n2v, observation_yx, device=device).prior_mean_yx
        made[N2V] = Made(n2v_yx, stages.seconds["n2v"] + time.perf_counter() - began_s)
    if prepared.distilled is not None:
        distilled = predict_plane(prepared.distilled, observation_yx, device=device)
        made[DISTILLED] = Made(distilled.prior_mean_yx, seconds)
    name = f"{field.name}, {1 + len(others)} images" if several else field.name
    return DenoisedField(name, preset.name, made, prepared.choice.estimate)


def score(found: DenoisedField, reference_yx: NDArray[Any], filters: Mapping[str, Sequence[Result]]) -> Score:
    """Compare all estimates with a reference."""
    methods = {name: closest(results, reference_yx) for name, results in filters.items()}
    for name, made in found.made.items():
        own = Result(made.image_yx.astype(np.float64), made.seconds)
        methods[name] = closest([own], reference_yx)
    averaged_db = _best_mean_db(methods[DELIVERED].image_yx, methods[BM3D].image_yx, reference_yx)
    return Score(found.field, found.preset, methods, found.estimate, averaged_db)


def _best_mean_db(
    one_yx: NDArray[np.float64], other_yx: NDArray[np.float64], reference_yx: NDArray[Any]
) -> float:
    means_yx = ((1 - weight) * one_yx + weight * other_yx for weight in WEIGHTS)
    return max(affine_invariant_psnr(mean_yx, reference_yx) for mean_yx in means_yx)


def table(scores: Sequence[Score], reference: str) -> Table:
    """Render decibels and seconds; `reference` says which one was scored against."""
    rendered = Table(
        "field",
        "preset",
        *FILTERS,
        *TRAINED,
        "which",
        "over the better filter",
        "averaged with BM3D",
        title=f"Affine-invariant PSNR (dB) with the reference {reference}, and seconds, seed {SEED}",
        caption="The truth chose the blur's width and BM3D's strength; as it is, it told BM3D the noise.",
    )
    for each in scores:
        cells = [
            f"{found.psnr_db:.2f}  {found.seconds:.0f} s" if (found := each.methods.get(name)) else "-"
            for name in (*FILTERS, *TRAINED)
        ]
        rendered.add_row(
            each.field, each.preset, *cells, each.estimate, f"{each.gain_db:+.2f}", f"{each.averaged_db:.2f}"
        )
    return rendered
