"""Preview of one plane of a job's results: observation, result, and what was removed, side by side."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from worker.jobs.inputs import OpenImage
from worker.planes.observed_plane import ObservedPlane

_SIDE_PX = 320
_GAP_PX = 4
_PERCENTILES = (0.5, 99.7)
_WHITE = 255.0


@dataclass
class ResultPreview:
    """PNG of the middle plane of the first image, or of the next that is not empty."""

    png: bytes | None = None

    def offer(self, index: int, of: int, observed: ObservedPlane, result_yx: NDArray[Any]) -> None:
        """Show a plane of an image unless one has been shown; `index` counts from 0, to below `of`."""
        if self.png is None and index >= of // 2 and not observed.defects.empty:
            self.png = preview_of(observed.input_yx, result_yx)

    def watching(self, image: OpenImage, planes: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
        """Yield the planes of an image's results, and show one on the way, whose source is read for it."""
        count = len(image.reader)
        for index, result_yx in enumerate(planes):
            if self.png is None and index >= count // 2:
                self.offer(index, count, ObservedPlane.of(image.reader[index]), result_yx)
            yield result_yx


def preview_of(observation_yx: NDArray[Any], result_yx: NDArray[Any]) -> bytes:
    """Return a PNG of the middles of the planes (Y, X) and of their difference, unscaled pixels.

    Observation and result have the same grey values; no difference is mid-grey.
    """
    observed_yx, shown_yx = (_middle(each).astype(np.float64) for each in (observation_yx, result_yx))
    known = shown_yx[np.isfinite(shown_yx)]
    low, high = np.percentile(known, _PERCENTILES) if known.size else (0.0, 1.0)
    removed_yx = observed_yx - shown_yx
    finite = np.abs(removed_yx[np.isfinite(removed_yx)])
    reach = float(np.percentile(finite, _PERCENTILES[1])) if finite.size else 1.0
    gap = np.full((shown_yx.shape[0], _GAP_PX), _WHITE)
    panels = [
        _grey(observed_yx, low, high),
        gap,
        _grey(shown_yx, low, high),
        gap,
        _grey(removed_yx, -reach, reach),
    ]
    content = io.BytesIO()
    Image.fromarray(np.rint(np.hstack(panels)).astype(np.uint8)).save(content, format="PNG")
    return content.getvalue()


def _middle(plane_yx: NDArray[Any]) -> NDArray[Any]:
    top, left = (max(size - _SIDE_PX, 0) // 2 for size in plane_yx.shape)
    return plane_yx[top : top + _SIDE_PX, left : left + _SIDE_PX]


def _grey(values_yx: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Scale to 0 .. 255; what is not finite is black."""
    scaled = (values_yx - low) / max(high - low, float(np.finfo(np.float32).tiny))
    return np.asarray(_WHITE * np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0).clip(0, 1))
