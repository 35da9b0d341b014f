"""One noise model from the pixel pairs of many images, and the images that are left out."""

import numpy as np
import pytest
import torch

from worker.engine.errors import NoiseFitError
from worker.engine.noise.fitting.contradictions import contradictions
from worker.engine.noise.fitting.kept_pairs import KeptPairs
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.stages.pool import pool_noise_model

OFFSET_ADU, READ_ADU = 100.0, 3.0


def kept(brightest: float, seed: int, gain_adu: float = 2.0, pixels: int = 20_000) -> KeptPairs:
    rng = np.random.default_rng([3, seed])
    electrons = brightest * rng.uniform(0.02, 1, pixels) ** 2
    observed = gain_adu * rng.poisson(electrons) + OFFSET_ADU + rng.normal(0, READ_ADU, pixels)
    counts = PairCounts()
    counts.add(np.rint(observed), gain_adu * electrons + OFFSET_ADU)
    return counts.kept()


def images(count: int, gain_adu: float = 2.0) -> list[KeptPairs]:
    """Return images that are up to 30 times as bright as others."""
    return [kept(10.0 ** (1.5 + 1.5 * index / count), index, gain_adu) for index in range(count)]


@pytest.mark.parametrize("gain_adu", [1.6, 2.5, 4.0])
def test_images_of_another_gain_are_left_out(gain_adu: float) -> None:
    sets = [*images(9), *images(3, gain_adu)]
    found = contradictions(sets)
    assert [each.index for each in found] == [9, 10, 11]
    # The dimmest image shows the read noise rather than the gain.
    assert [each.variance_ratio for each in found] == pytest.approx([gain_adu / 2] * 3, rel=0.25)


@pytest.mark.parametrize("count", [2, 5, 12])
def test_images_of_one_detector_agree(count: int) -> None:
    assert contradictions(images(count)) == []


def test_an_image_of_another_offset_is_left_out() -> None:
    odd = kept(50.0, 99)
    moved = KeptPairs(**{**vars(odd), "signal_adu": odd.signal_adu + 40})
    assert [each.index for each in contradictions([*images(6), moved])] == [6]


def test_two_detectors_are_not_pooled() -> None:
    with pytest.raises(NoiseFitError, match="contradict the others"):
        pool_noise_model([*images(3), *images(3, 3.0)], seed=0)


@pytest.mark.parametrize("kind", ["gmm", "histogram"])
def test_the_pooled_model_knows_the_noise_over_the_range_of_all(kind: str) -> None:
    pooled = pool_noise_model(images(5), kind=kind, seed=0)  # type: ignore[arg-type]
    signal_adu = torch.tensor([110.0, 200.0, 400.0, 900.0], dtype=torch.float64)
    true_adu2 = 2 * (signal_adu - OFFSET_ADU) + READ_ADU**2
    ratio = pooled.selected.fitted.model.variance_adu2(signal_adu) / true_adu2
    assert ratio.numpy() == pytest.approx(np.ones(4), abs=0.15)
    assert pooled.selected.counts.pairs == 100_000
