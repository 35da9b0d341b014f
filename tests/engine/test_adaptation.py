"""Adaptation of the pretrained network to images: what it gains, and what it leaves as it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.tiny_training import CPU
from worker.engine.errors import ImageUnsuitableError
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import packaged_network
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.noise.models.kinds import AnyNoiseModel
from worker.engine.prediction.inference import predict_plane
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.stages.bootstrap import bootstrap_noise_model
from worker.engine.stages.distillation import estimates_of_pretrained, network_to_adapt, pattern_left
from worker.engine.training.loop import train
from worker.engine.training.presets import PRESETS

SIDE_PX, PERIOD_PX, PHOTONS = 128, 8, 40
FEW = replace(PRESETS["fast"].adapting(), distillation_steps=40, distillation_learning_rate=2e-3, patch_px=64)


def _halftone() -> tuple[np.ndarray, np.ndarray]:
    """Return the signal (ADU) and an exposure of dots, which no simulated specimen has."""
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX]
    dots = np.cos(2 * np.pi * y / PERIOD_PX) + np.cos(2 * np.pi * x / PERIOD_PX)
    photons = PHOTONS * np.where(dots > np.sin(y / 40) * np.cos(x / 40), 0.9, 0.1)
    camera = Scmos.with_maps((SIDE_PX, SIDE_PX), seed=1)
    observation = camera.observe(photons, np.random.default_rng(2)).astype(np.float32)
    return camera.signal_adu(photons), observation


def _noise_model(observation: np.ndarray) -> AnyNoiseModel:
    facts = ImageFacts(float(observation.min()), float(observation.max()))
    selected = bootstrap_noise_model(
        [observation], packaged_network(), facts=facts, seed=0, device=CPU, on_plane=lambda *_: None
    )
    return selected.fitted.model


def _adapted(observation: np.ndarray, noise_model: AnyNoiseModel) -> Network:
    pretrained = packaged_network()
    return train(
        estimates_of_pretrained([observation], pretrained, noise_model, bootstrapped=True, device=CPU),
        method="distilled",
        preset=FEW,
        noise_model=noise_model,
        start=network_to_adapt(pretrained, [observation], noise_model, bootstrapped=True),
        seed=0,
        device=CPU,
        on_step=lambda _: None,
    )


def test_it_learns_a_specimen_unlike_those_it_was_trained_on() -> None:
    signal, observation = _halftone()
    noise_model = _noise_model(observation)
    before = network_to_adapt(packaged_network(), [observation], noise_model, bootstrapped=True)
    packaged = {name: values.clone() for name, values in before.model.state_dict().items()}
    after = _adapted(observation, noise_model)
    errors = [
        np.mean((predict_plane(network, observation, device=CPU).prior_mean_yx - signal) ** 2)
        for network in (before, after)
    ]
    assert errors[1] < errors[0]
    assert after.model.shape == before.model.shape
    assert after.method == "distilled"
    # The packaged network is shared within the process.
    shared = packaged_network().model.state_dict()
    assert all(torch.equal(values, shared[name]) for name, values in packaged.items())


@pytest.mark.parametrize(("specimen", "told"), [("squares", "ten peaks of"), ("cells", None)])
def test_large_squares_are_told_from_cells_by_what_is_removed(specimen: str, told: str | None) -> None:
    shape_yx = (320, 320)
    y, x = np.indices(shape_yx) // 32
    light_yx = simulate_specimen(shape_yx, seed=3)
    if specimen == "squares":
        light_yx = np.where((y + x) % 2, 0.9, 0.1)
    observation = Scmos.with_maps(shape_yx, seed=1).observe(PHOTONS * light_yx, np.random.default_rng(2))
    peaks = pattern_left(
        packaged_network(), [observation.astype(np.float32)], None, bootstrapped=False, device=CPU
    )
    assert peaks.told is None if told is None else told in str(peaks.told)


def test_planes_of_several_sizes_share_one_scale() -> None:
    _, observation = _halftone()
    pretrained = packaged_network()
    one, both = (
        network_to_adapt(pretrained, planes, None, bootstrapped=False).scale
        for planes in ([observation], [observation, observation[:96, :100]])
    )
    assert both.gain_adu == pytest.approx(one.gain_adu, rel=0.2)
    assert both.spread == one.spread


def test_planes_without_data_cannot_be_learned_from() -> None:
    with pytest.raises(ImageUnsuitableError, match="every plane of the images is empty"):
        network_to_adapt(packaged_network(), [np.full((64, 64), np.nan)], None, bootstrapped=False)
