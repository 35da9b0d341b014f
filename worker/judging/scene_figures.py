"""What one static scene tells of a camera."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.survey.defects import find_defects
from worker.engine.noise.measuring.photon_transfer import Estimate, PhotonTransfer, TransferPoints
from worker.engine.noise.measuring.transfer_line import fit_transfer_line
from worker.judging.image_transfer import ImageTransfer, image_transfer

FloatArray = NDArray[np.float64]

_OUTLIER, _MEDIAN_TO_STD = 8.0, 1.4826
_LEAST_ADU2 = 1e-9


@dataclass(frozen=True, eq=False)
class SceneFigures:
    """Figures of the frames of a scene; of pixels that are neither hot nor dead, nor saturated.

    `point`: all of them together. `mean_transfer`: noise from pixel to pixel of the mean of `frames` frames.
    """

    frames: int
    points: TransferPoints
    point: TransferPoints
    mean_adu: Estimate
    variance_adu2: Estimate
    correlation_yx: tuple[Estimate, Estimate]
    outliers_px: int
    pixels: int
    mean_transfer: ImageTransfer
    exposure_s: float | None = None


def scene_figures(transfer: PhotonTransfer, *, dark: bool = False) -> SceneFigures | None:
    """Measure a scene; None if no pixel of it is usable. `dark`: it was recorded without any light."""
    scene = transfer.scene
    if not scene.usable_yx.any():
        return None
    mean_yx = np.where(scene.usable_yx, scene.mean_yx, np.nan)
    outliers_yx = (_dark_outliers(mean_yx) if dark else find_defects(mean_yx).outliers_yx) & scene.usable_yx
    counted_yx = scene.usable_yx & ~outliers_yx
    points = transfer.points(counted_yx)
    variance_adu2 = transfer.mean_variance_adu2(counted_yx)
    line = fit_transfer_line(points)
    floor_adu2 = max(float(points.variance_adu2.min()) / 2, _LEAST_ADU2)
    variance_yx = (
        np.full(scene.mean_yx.shape, max(variance_adu2.value, floor_adu2))
        if line is None
        else line.variance_adu2(scene.mean_yx, floor_adu2)
    )
    return SceneFigures(
        frames=transfer.frames,
        points=points,
        point=transfer.points(counted_yx, bins=1),
        mean_adu=transfer.mean_adu(counted_yx),
        variance_adu2=variance_adu2,
        correlation_yx=(
            transfer.correlation(0, counted_yx, variance_yx),
            transfer.correlation(1, counted_yx, variance_yx),
        ),
        outliers_px=int(outliers_yx.sum()),
        pixels=int(scene.usable_yx.sum()),
        mean_transfer=image_transfer([mean_yx]),
    )


def _dark_outliers(mean_yx: FloatArray) -> NDArray[np.bool_]:
    """Return pixels whose dark level stands out; without light there is no structure to mistake for them."""
    deviation = np.abs(mean_yx - np.nanmedian(mean_yx))
    return np.asarray(deviation > _OUTLIER * _MEDIAN_TO_STD * np.nanmedian(deviation))


def joined(estimates: list[Estimate]) -> Estimate:
    """Return the mean of independent estimates, weighted by their errors."""
    weight = np.array([1 / max(each.error, np.finfo(np.float64).tiny ** 0.5) ** 2 for each in estimates])
    values = np.array([each.value for each in estimates])
    return Estimate(float((weight * values).sum() / weight.sum()), float(1 / np.sqrt(weight.sum())))
