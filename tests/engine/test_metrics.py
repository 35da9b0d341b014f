"""Scores compared with formulas, and images that must not be scored."""

import math

import numpy as np
import pytest

from worker.engine.scores.metrics import (
    ScoreImpossibleError,
    Summary,
    affine_invariant_psnr,
    psnr,
    score,
    ssim,
)


def test_psnr_uses_the_range_of_the_reference() -> None:
    reference = np.linspace(0, 200, 100).reshape(10, 10)
    assert psnr(reference + 2, reference) == pytest.approx(40.0)
    assert psnr(reference, reference) == math.inf


def test_affine_invariant_psnr_ignores_scale_and_offset() -> None:
    generator = np.random.default_rng(0)
    reference = generator.normal(50, 10, (64, 64))
    image = reference + generator.normal(0, 1, (64, 64))
    assert affine_invariant_psnr(3 * image - 70, reference) == pytest.approx(
        affine_invariant_psnr(image, reference)
    )
    assert affine_invariant_psnr(image, reference) >= psnr(image, reference)
    assert affine_invariant_psnr(np.zeros((64, 64)), reference) < 20


def test_ssim_is_one_for_the_reference_alone() -> None:
    reference = np.random.default_rng(0).normal(50, 10, (32, 32))
    assert ssim(reference, reference) == pytest.approx(1.0)
    assert ssim(np.flip(reference), reference) < 0.5


def test_all_scores_at_once_are_those_of_each() -> None:
    generator = np.random.default_rng(1)
    reference_yx = generator.normal(50, 10, (40, 24))
    image_yx = (reference_yx + generator.normal(0, 1, (40, 24))).astype(np.float32)
    scores = score(image_yx, reference_yx)
    assert scores.psnr_db == pytest.approx(psnr(image_yx, reference_yx))
    assert scores.affine_invariant_psnr_db == pytest.approx(affine_invariant_psnr(image_yx, reference_yx))
    assert scores.ssim == pytest.approx(ssim(image_yx, reference_yx))
    rescaled = score(0.1 * image_yx + 700, reference_yx)
    assert rescaled.fitted_ssim == pytest.approx(scores.fitted_ssim)
    assert rescaled.ssim < 0.5 < scores.fitted_ssim


@pytest.mark.parametrize(
    ("image", "reference", "word"),
    [
        (np.eye(8), np.eye(8)[None], "shape"),
        (np.eye(8), np.eye(9), "shape"),
        (np.eye(6), np.eye(6), "small"),
        (np.full((8, 8), np.nan), np.eye(8), "image has pixels that are not finite"),
        (np.eye(8), np.full((8, 8), np.inf), "reference has pixels that are not finite"),
        (np.eye(8), np.ones((8, 8)), "constant"),
    ],
)
def test_images_without_a_score_are_refused(image: np.ndarray, reference: np.ndarray, word: str) -> None:
    with pytest.raises(ScoreImpossibleError, match=word):
        score(image, reference)


def test_the_standard_error_is_that_of_the_mean() -> None:
    summary = Summary.of([30.0, 32.0, 34.0])
    assert (summary.mean, summary.count) == (32.0, 3)
    assert summary.standard_error == pytest.approx(2 / math.sqrt(3))
    assert Summary.of([30.0]).standard_error is None
    assert Summary.of([30.0, math.inf]) == Summary(math.inf, None, 2)
