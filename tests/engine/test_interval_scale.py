"""Intervals of the standard deviations hold nine of ten true signals."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from worker.engine.networks.pretrained import packaged_network
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.prediction.choice import Choice
from worker.engine.prediction.interval_scale import HALF_WIDTH, IntervalScale
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.stages.bootstrap import bootstrap_noise_model
from worker.engine.stages.denoise import Denoiser, denoise_plane
from worker.engine.stages.interval_scale import with_interval_scale

CPU = torch.device("cpu")
SIZE_PX = 128


def held_share(error: np.ndarray, std: np.ndarray) -> float:
    return float((np.abs(error) <= HALF_WIDTH * std).mean())


def test_deviations_are_scaled_where_they_are_wrong() -> None:
    rng = np.random.default_rng(1)
    signal_adu = rng.uniform(0, 100, 50_000)
    true_std = np.where(signal_adu > 90, 2.0, 0.5)
    error = true_std * rng.standard_normal(signal_adu.size)
    scale = IntervalScale.measured(signal_adu, np.abs(error), margin=1.0, limits=(0.3, 3.0))
    std = scale.at(signal_adu.astype(np.float32))
    assert std[signal_adu < 30] == pytest.approx(0.5, rel=0.1)
    assert std[signal_adu > 96] == pytest.approx(2.0, rel=0.1)
    assert IntervalScale.from_record(scale.record()) == scale
    unchanged = IntervalScale.from_record(None)
    assert (unchanged.at(signal_adu.astype(np.float32)) == 1).all()


def test_signals_of_one_value_have_one_factor() -> None:
    scale = IntervalScale.measured(np.full(100, 7.0), np.full(100, 9.0), margin=1.0, limits=(0.3, 3.0))
    assert (scale.signal_adu, scale.factor) == ((7.0,), (3.0,))


@pytest.fixture(scope="module")
def observed() -> tuple[np.ndarray, np.ndarray, Denoiser]:
    """Return the true signal and an image of a dim specimen (Y, X), and what `instant` denoises it with."""
    camera = Scmos.with_maps((SIZE_PX, SIZE_PX), seed=0)
    photons = 100 * (0.05 + simulate_specimen((SIZE_PX, SIZE_PX), seed=11))
    truth_yx = camera.gain_adu_per_e.mean() * photons + camera.offset_adu.mean()
    observed_yx = camera.observe(photons, np.random.default_rng(2)).astype(np.float32)
    facts = ImageFacts(float(observed_yx.min()), float(observed_yx.max()), 1.0)
    selected = bootstrap_noise_model(
        [observed_yx], packaged_network(), facts=facts, seed=0, device=CPU, on_plane=lambda *_: None
    )
    choice = Choice("pretrained", {}, "")
    denoiser = Denoiser(selected.fitted.model, choice, pretrained=packaged_network(), bootstrapped=True)
    return truth_yx, observed_yx, denoiser


def test_nine_of_ten_true_signals_lie_in_the_intervals(
    observed: tuple[np.ndarray, np.ndarray, Denoiser],
) -> None:
    truth_yx, observed_yx, denoiser = observed
    shares = []
    for scaled in (denoiser, with_interval_scale(denoiser, [observed_yx], seed=0, device=CPU)):
        found = denoise_plane(observed_yx, scaled, device=CPU)
        assert found.std_yx is not None
        shares.append(held_share(truth_yx - found.image_yx, found.std_yx))
    before, after = shares
    assert before > 0.95
    assert 0.85 < after < 0.95


def test_deviations_that_are_far_too_large_are_scaled_too(
    observed: tuple[np.ndarray, np.ndarray, Denoiser],
) -> None:
    _, observed_yx, denoiser = observed
    wide = replace(denoiser, interval_scale=IntervalScale((0.0,), (10.0,)))
    as_stated, too_large = (
        with_interval_scale(each, [observed_yx], seed=0, device=CPU).interval_scale
        for each in (denoiser, wide)
    )
    assert too_large.factor == pytest.approx([0.1 * factor for factor in as_stated.factor], rel=1e-5)


def test_a_plane_of_few_pixels_and_an_estimate_of_neighbours_have_a_scale_too(
    observed: tuple[np.ndarray, np.ndarray, Denoiser],
) -> None:
    _, observed_yx, denoiser = observed
    few = with_interval_scale(denoiser, [observed_yx[:40, :40]], seed=0, device=CPU)
    assert few.interval_scale == IntervalScale()
    of_stack = replace(denoiser, choice=replace(denoiser.choice, estimate="pretrained_stack"))
    found = with_interval_scale(of_stack, [observed_yx], seed=0, device=CPU)
    assert found.choice.estimate == "pretrained_stack"
    assert found.interval_scale.factor != IntervalScale().factor
