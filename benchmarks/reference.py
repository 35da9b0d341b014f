"""How far a denoiser can come on a field: references drift against their frames, and no frame shows all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table
from scipy import ndimage, optimize

from benchmarks.classical import Filtered, best_blur, best_bm3d
from benchmarks.fields import Field
from worker.engine.inference import predict_plane
from worker.engine.metrics import affine_invariant_psnr
from worker.engine.noise.fit import fit_gmm
from worker.engine.noise.pairs import PairCounts
from worker.engine.presets import Preset
from worker.engine.training import train

SEED = 0
_FIRST_STEP_PX = 0.7
_BORDER_PX = 8
_PRECISION_PX = 0.01

Image = NDArray[np.float64]


@dataclass(frozen=True)
class Bound:
    """One field scored with its reference as it is, and with that moved to where the frame shows it."""

    field: str
    drift_yx_px: tuple[float, float]
    blur_db: tuple[float, float]
    bm3d_db: tuple[float, float]
    taught_db: tuple[float, float]
    """Of a network that learned the reference of this very field under its noise: no fair competitor."""


def measure(field: Field, preset: Preset) -> Bound:
    """Filter the field, and denoise it with a network that has seen what it shows."""
    drift = drift_yx_px(field)
    both = [field.reference_yx.astype(np.float64), aligned(field).reference_yx]
    observation_yx = field.observation_yx.astype(np.float64)
    taught_yx = _taught(field, preset)

    def scored(filtered: Sequence[Filtered]) -> tuple[float, float]:
        as_it_is, moved = (each.psnr_db for each in filtered)
        return as_it_is, moved

    as_it_is, moved = (affine_invariant_psnr(taught_yx, each) for each in both)
    return Bound(
        field.name,
        drift,
        scored([best_blur(observation_yx, each) for each in both]),
        scored([best_bm3d(observation_yx, each) for each in both]),
        (as_it_is, moved),
    )


def aligned(field: Field) -> Field:
    """The field with its reference moved to where the frame shows it."""
    return replace(field, reference_yx=_moved(field.reference_yx, drift_yx_px(field)))


def drift_yx_px(field: Field) -> tuple[float, float]:
    """How far the reference has to move, (Y, X) in pixels, to explain the noisy frame best."""
    inner = (slice(_BORDER_PX, -_BORDER_PX),) * 2
    frame = field.observation_yx[inner].astype(np.float64)

    def unexplained(drift: NDArray[Any]) -> float:
        return -affine_invariant_psnr(_moved(field.reference_yx, drift)[inner], frame)

    simplex = [(0.0, 0.0), (_FIRST_STEP_PX, 0.0), (0.0, _FIRST_STEP_PX)]
    found = optimize.minimize(
        unexplained,
        simplex[0],
        method="Nelder-Mead",
        options={"xatol": _PRECISION_PX, "fatol": 1e-6, "initial_simplex": simplex},
    )
    drift_y_px, drift_x_px = map(float, found.x)
    return drift_y_px, drift_x_px


def table(bounds: Sequence[Bound]) -> Table:
    """Render both scores of each method."""
    rendered = Table(
        "field",
        "drift, px (Y, X)",
        "best Gaussian",
        "BM3D",
        "taught with the reference",
        title="Affine-invariant PSNR (dB), reference as it is / moved to where the frame shows it",
    )
    for bound in bounds:
        scores = [f"{a:.2f} / {b:.2f}" for a, b in (bound.blur_db, bound.bm3d_db, bound.taught_db)]
        rendered.add_row(bound.field, "{:+.2f}, {:+.2f}".format(*bound.drift_yx_px), *scores)
    return rendered


def _taught(field: Field, preset: Preset) -> NDArray[np.float32]:
    frame = field.observation_yx.astype(np.float32)
    reference = field.reference_yx.astype(np.float64)
    slope, offset = np.polyfit(reference.ravel(), frame.ravel().astype(np.float64), 1)
    signal_yx = (slope * reference + offset).astype(np.float32)
    pairs = PairCounts()
    pairs.add(field.observation_yx, signal_yx)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = train(
        [signal_yx],
        method="distilled",
        preset=preset,
        noise_model=fit_gmm(pairs, generator=torch.Generator().manual_seed(SEED)).model,
        seed=SEED,
        device=device,
        on_step=lambda _: None,
    )
    return predict_plane(network, frame, device=device).prior_mean_yx


def _moved(image_yx: NDArray[Any], drift_yx_px: Sequence[float] | NDArray[Any]) -> Image:
    moved: Image = ndimage.shift(image_yx.astype(np.float64), drift_yx_px, order=3, mode="nearest")
    return moved
