"""Image quality metrics against a reference image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skimage.metrics import structural_similarity

from worker.engine.errors import EngineError

MIN_SSIM_PX = 7
"""Window size of SSIM."""


class ScoreImpossibleError(EngineError):
    """Two images that cannot be compared."""

    code: ClassVar[str] = "score-impossible"


@dataclass(frozen=True)
class Scores:
    """Quality metrics of one image; `fitted_ssim` is the SSIM after the affine fit."""

    psnr_db: float
    affine_invariant_psnr_db: float
    ssim: float
    fitted_ssim: float


@dataclass(frozen=True)
class Summary:
    """Mean of scores with its standard error, which is None for a single score."""

    mean: float
    standard_error: float | None
    count: int

    @classmethod
    def of(cls, scores: Sequence[float]) -> Self:
        count = len(scores)
        mean = math.fsum(scores) / count
        if count == 1 or not math.isfinite(mean):
            return cls(mean, None, count)
        variance = math.fsum((score - mean) ** 2 for score in scores) / (count - 1)
        return cls(mean, math.sqrt(variance / count), count)


def score(image: ArrayLike, reference: ArrayLike) -> Scores:
    """Return all scores of an image (Y, X); raise ScoreImpossibleError where they are undefined."""
    image64, reference64 = _comparable(image, reference)
    fitted = _fit(image64, reference64)
    return Scores(
        psnr_db=psnr(image64, reference64),
        affine_invariant_psnr_db=psnr(fitted, reference64),
        ssim=ssim(image64, reference64),
        fitted_ssim=ssim(fitted, reference64),
    )


def psnr(image: ArrayLike, reference: ArrayLike) -> float:
    """Return the PSNR in dB; the peak is the range of the reference, as in Prakash et al. 2020."""
    reference64 = np.asarray(reference, dtype=np.float64)
    error = float(np.mean((np.asarray(image, dtype=np.float64) - reference64) ** 2))
    value_range = float(np.ptp(reference64))
    if error == 0:
        return math.inf
    return 10 * math.log10(value_range**2 / error) if value_range > 0 else -math.inf


def affine_invariant_psnr(image: ArrayLike, reference: ArrayLike) -> float:
    """Return the PSNR of a * image + b, with a and b fitted to the reference by least squares."""
    reference64 = np.asarray(reference, dtype=np.float64)
    return psnr(_fit(np.asarray(image, dtype=np.float64), reference64), reference64)


def ssim(image: ArrayLike, reference: ArrayLike) -> float:
    """Return the SSIM (Wang et al. 2004) over the range of the reference, for images of 7x7 and more."""
    reference64 = np.asarray(reference, dtype=np.float64)
    similarity = structural_similarity(  # type: ignore[no-untyped-call]  # because scikit-image has no types
        np.asarray(image, dtype=np.float64), reference64, data_range=float(np.ptp(reference64))
    )
    return float(similarity)


def _fit(image: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map an image to the scale of the reference by least squares."""
    centred = image - image.mean()
    energy = float(np.vdot(centred, centred))
    scale = float(np.vdot(centred, reference)) / energy if energy > 0 else 0.0
    return np.asarray(scale * centred + reference.mean())


def _comparable(image: ArrayLike, reference: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    images = np.asarray(image, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    shape, expected = (each.shape for each in images)
    if shape != expected:
        raise ScoreImpossibleError(f"an image of shape {shape} cannot be scored against one of {expected}")
    if min(expected) < MIN_SSIM_PX:
        raise ScoreImpossibleError(
            f"images of shape {expected} are too small; expected {MIN_SSIM_PX} x {MIN_SSIM_PX} pixels or more"
        )
    for name, each in zip(("image", "reference"), images, strict=True):
        if not np.isfinite(each).all():
            raise ScoreImpossibleError(
                f"the {name} has pixels that are not finite; expected finite pixels only"
            )
    if np.ptp(images[1]) == 0:
        raise ScoreImpossibleError("the reference is constant; PSNR needs a reference with a range of values")
    return images
