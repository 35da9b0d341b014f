"""Is a calibration stack what it should be: one static scene, unsaturated, over the range of the images?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.registration import phase_cross_correlation

from worker.engine.errors import ImageUnsuitableError

MAX_BRIGHTNESS_CHANGE = 0.02
"""Share of the brightness above the darkest pixels that may go between first and last frames."""

MAX_DRIFT_PX = 0.25
MAX_EXCESS_CORRELATION = 0.02
"""How much residuals of consecutive frames may correlate beyond what their common mean makes."""

MAX_SATURATED = 0.01
LEAST_FRAMES = 5
_UPSAMPLING = 50


@dataclass(frozen=True)
class CalibrationCheck:
    """What was found in a calibration stack; `warnings` say what is wrong and what would be right.

    `brightness_change` from the first to the last quarter of the frames, a share of the mean signal above the
    darkest; `drift_px` (y, x) between them; `excess_correlation` of residuals of consecutive frames, 0 for a
    static scene; `saturated` share of the pixels; the signals span `signal_min_adu` .. `signal_max_adu`.
    """

    frames: int
    brightness_change: float
    drift_px: tuple[float, float]
    excess_correlation: float
    saturated: float
    signal_min_adu: float
    signal_max_adu: float

    @property
    def warnings(self) -> tuple[str, ...]:
        found = []
        if self.frames < LEAST_FRAMES:
            found.append(f"{self.frames} frames tell little of the noise: take 20 or more")
        if abs(self.brightness_change) > MAX_BRIGHTNESS_CHANGE:
            found.append(
                f"the brightness changes by {self.brightness_change:+.1%} from first to last frames "
                "(bleaching, lamp): use a reference that does not bleach, or less light"
            )
        if max(map(abs, self.drift_px)) > MAX_DRIFT_PX:
            y, x = self.drift_px
            found.append(f"the scene moves by {y:+.2f}, {x:+.2f} px (y, x): let stage and sample settle")
        if self.excess_correlation > MAX_EXCESS_CORRELATION:
            found.append(
                f"consecutive frames resemble each other ({self.excess_correlation:+.3f} more than static "
                "ones): the scene changes while it is recorded"
            )
        if self.saturated > MAX_SATURATED:
            found.append(f"{self.saturated:.1%} of the pixels are saturated: use less light or exposure")
        return tuple(found)

    def coverage_warning(self, signal_min_adu: float, signal_max_adu: float) -> str | None:
        """What is missing for images whose signals span this range."""
        if self.signal_min_adu <= signal_min_adu and signal_max_adu <= self.signal_max_adu:
            return None
        calibrated = f"{self.signal_min_adu:.4g} .. {self.signal_max_adu:.4g} ADU"
        return (
            f"the calibration covers signals of {calibrated}, the images {signal_min_adu:.4g} .. "
            f"{signal_max_adu:.4g}: outside, the noise is taken to be as at the nearest end"
        )


def check_calibration(
    frames: Sequence[NDArray[Any]], *, observation_max_adu: float | None = None
) -> CalibrationCheck:
    """Examine frames (Y, X) of one scene, read twice, one at a time; saturated from `observation_max_adu` on.

    Raises ImageUnsuitableError if there are less than two, or their shapes differ.
    """
    number = len(frames)
    if number < 2:  # noqa: PLR2004  # with one frame there is nothing to compare
        raise ImageUnsuitableError(f"a calibration of {number} frames, at least 2 are needed")
    limit = observation_max_adu
    if limit is None and np.issubdtype(frames[0].dtype, np.integer):
        limit = float(np.iinfo(frames[0].dtype).max)
    quarter = max(number // 4, 1)
    total, early, late = (np.zeros(frames[0].shape) for _ in range(3))
    saturated = 0
    for index in range(number):
        frame = frames[index]
        if frame.shape != total.shape:
            raise ImageUnsuitableError(f"frame {index} is {frame.shape}, the first one {total.shape}")
        total += frame
        early += frame if index < quarter else 0
        late += frame if index >= number - quarter else 0
        saturated += 0 if limit is None else int((frame >= limit).sum())
    mean, early, late = total / number, early / quarter, late / quarter
    darkest, brightest = np.percentile(mean, (0.5, 99.5))
    light = max(float(mean.mean() - darkest), 1e-12)
    drift_px, _, _ = phase_cross_correlation(  # type: ignore[no-untyped-call]  # because scikit-image has no types
        early, late, upsample_factor=_UPSAMPLING, normalization=None
    )
    return CalibrationCheck(
        frames=number,
        brightness_change=float((late - early).mean()) / light,
        drift_px=(float(drift_px[0]), float(drift_px[1])),
        excess_correlation=_excess_correlation(frames, mean),
        saturated=saturated / (number * mean.size),
        signal_min_adu=float(darkest),
        signal_max_adu=float(brightest),
    )


def _excess_correlation(frames: Sequence[NDArray[Any]], mean: NDArray[np.float64]) -> float:
    """Of residuals of consecutive frames; their common mean alone makes it -1 / (m - 1)."""
    number = len(frames)
    product = energy = 0.0
    before = frames[0] - mean
    energy += float((before**2).sum())
    for index in range(1, number):
        residual = frames[index] - mean
        product += float((before * residual).sum())
        energy += float((residual**2).sum())
        before = residual
    if energy == 0:
        return 0.0
    return product / (energy * (number - 1) / number) + 1 / (number - 1)
