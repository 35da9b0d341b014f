"""Scores against a reference image."""

import math

import numpy as np
from skimage.metrics import structural_similarity


def psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB; the peak is the range of the reference, as in Prakash et al. 2020."""
    reference64 = np.asarray(reference, dtype=np.float64)
    error = float(np.mean((np.asarray(image, dtype=np.float64) - reference64) ** 2))
    value_range = float(np.ptp(reference64))
    if error == 0:
        return math.inf
    return 10 * math.log10(value_range**2 / error) if value_range > 0 else -math.inf


def affine_invariant_psnr(image: np.ndarray, reference: np.ndarray) -> float:
    """PSNR of a * image + b, with a and b fitted to the reference by least squares."""
    image64, reference64 = np.asarray(image, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    centred = image64 - image64.mean()
    energy = float(np.vdot(centred, centred))
    scale = float(np.vdot(centred, reference64)) / energy if energy > 0 else 0.0
    return psnr(scale * centred + reference64.mean(), reference64)


def ssim(image: np.ndarray, reference: np.ndarray) -> float:
    """Structural similarity over the range of the reference."""
    reference64 = np.asarray(reference, dtype=np.float64)
    similarity = structural_similarity(  # type: ignore[no-untyped-call]  # because scikit-image has no types
        np.asarray(image, dtype=np.float64), reference64, data_range=float(np.ptp(reference64))
    )
    return float(similarity)
