"""How much better images become, and in what time."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from rich.table import Table
from scipy import ndimage

from benchmarks.fields import Field
from worker.engine.inference import predict_plane
from worker.engine.metrics import affine_invariant_psnr
from worker.engine.pipeline import denoise, denoise_plane
from worker.engine.presets import PRESETS

BLUR_SIGMAS_PX = np.arange(0.5, 6.0, 0.1)
SEED = 0


@dataclass(frozen=True)
class Score:
    """Affine-invariant PSNR of one field, dB; `seconds` for the whole pipeline."""

    field: str
    raw: float
    best_blur: float
    n2v: float
    prior_mean: float
    mmse: float
    delivered: float
    estimate: str
    seconds: float


def measure(field: Field, preset: str) -> Score:
    """Denoise one field with nothing but itself."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    observation_yx = field.observation_yx.astype(np.float32)
    began_s = time.perf_counter()
    prepared = denoise(
        [observation_yx],
        preset=PRESETS[preset],
        seed=SEED,
        device=device,
        on_step=lambda *_: None,
        on_plane=lambda *_: None,
    )
    made = denoise_plane(observation_yx, prepared, device=device)
    seconds = time.perf_counter() - began_s
    n2v_yx = (
        predict_plane(prepared.n2v, observation_yx, device=device).prior_mean_yx if prepared.n2v else None
    )

    def score(image_yx: np.ndarray | None) -> float:
        return float("nan") if image_yx is None else affine_invariant_psnr(image_yx, field.reference_yx)

    return Score(
        field=field.name,
        raw=score(observation_yx),
        best_blur=max(score(ndimage.gaussian_filter(observation_yx, sigma)) for sigma in BLUR_SIGMAS_PX),
        n2v=score(n2v_yx),
        prior_mean=score(made.pn2v.prior_mean_yx),
        mmse=score(made.pn2v.mmse_yx),
        delivered=score(made.image_yx),
        estimate=prepared.choice.estimate,
        seconds=seconds,
    )


def table(scores: list[Score], preset: str) -> Table:
    columns = ("field", "raw", "best blur", "N2V", "PN2V prior", "PN2V MMSE", "delivered", "which", "seconds")
    rendered = Table(*columns, title=f"Affine-invariant PSNR (dB), preset {preset}, seed {SEED}")
    for each in scores:
        decibels = (each.raw, each.best_blur, each.n2v, each.prior_mean, each.mmse, each.delivered)
        cells = [f"{value:.2f}" for value in decibels]
        rendered.add_row(each.field, *cells, each.estimate, f"{each.seconds:.0f}")
    return rendered
