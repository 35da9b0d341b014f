"""Upper bounds of the score on a field, given that references drift and bleach relative to the frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.table import Table
from scipy import ndimage, optimize

from benchmarks.classical import Result, best_result, bm3d_results, gaussian_blurs
from benchmarks.fields import ScoredField
from worker.engine.noise.fitting.fit import fit_gmm
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.prediction.inference import predict_plane
from worker.engine.scores.metrics import affine_invariant_psnr
from worker.engine.training.loop import train
from worker.engine.training.presets import TrainingPreset

SEED = 0
_FIRST_STEP_PX = 0.7
_BORDER_PX = 8
_PRECISION_PX = 0.01
_BROAD_SIGMA_PX = 16.0

Image = NDArray[np.float64]

AS_IT_IS = "as it is"
MOVED = "registered to the frame"
MATCHED = "registered, with large-scale brightness matched to the frame"


@dataclass(frozen=True)
class Bound:
    """Scores of one field against each of its references."""

    field: str
    drift_yx_px: tuple[float, float]
    blur_db: Sequence[float]
    bm3d_db: Sequence[float]
    supervised_db: Sequence[float]
    """Scores of a network trained on the reference of this very field: an upper bound, not a competitor."""


def measure(field: ScoredField, preset: TrainingPreset) -> Bound:
    """Score classical filters and a network trained on the reference itself."""
    observation_yx = field.observation_yx.astype(np.float64)
    results = [
        gaussian_blurs(observation_yx),
        bm3d_results(observation_yx, field.reference_yx.astype(np.float64)),
        [Result(_supervised_estimate(field, preset).astype(np.float64), 0.0)],
    ]
    blur_db, bm3d_db, supervised_db = (
        [best_result(each, reference_yx).psnr_db for reference_yx in references(field).values()]
        for each in results
    )
    return Bound(field.name, drift_yx_px(field), blur_db, bm3d_db, supervised_db)


def references(field: ScoredField) -> dict[str, Image]:
    """Return the references to score against (Y, X): the original, and corrected for drift and bleaching.

    Specimens move and bleach between the exposures. The large-scale brightness is that after a Gaussian blur
    of 16 px, which leaves almost no noise.
    """
    reference_yx = field.reference_yx.astype(np.float64)
    moved_yx = _moved(reference_yx, drift_yx_px(field))
    frame_yx = field.observation_yx.astype(np.float64)
    slope, offset = np.polyfit(moved_yx.ravel(), frame_yx.ravel(), 1)
    expected_yx = slope * moved_yx + offset
    matched_yx = expected_yx + ndimage.gaussian_filter(frame_yx - expected_yx, _BROAD_SIGMA_PX)
    return {AS_IT_IS: reference_yx, MOVED: moved_yx, MATCHED: matched_yx}


def drift_yx_px(field: ScoredField) -> tuple[float, float]:
    """Return the shift (Y, X) in pixels that best registers the reference to the noisy frame."""
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
    """Render the scores of each method, one per reference."""
    rendered = Table(
        "field",
        "drift, px (Y, X)",
        "best Gaussian",
        "BM3D",
        "trained on the reference",
        title=f"Affine-invariant PSNR (dB); reference {AS_IT_IS} / {MOVED} / {MATCHED}",
    )
    for bound in bounds:
        scores = [
            " / ".join(f"{psnr_db:.2f}" for psnr_db in of_method)
            for of_method in (bound.blur_db, bound.bm3d_db, bound.supervised_db)
        ]
        rendered.add_row(bound.field, "{:+.2f}, {:+.2f}".format(*bound.drift_yx_px), *scores)
    return rendered


def _supervised_estimate(field: ScoredField, preset: TrainingPreset) -> NDArray[np.float32]:
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
