"""The network that is trained once: what it promises for any detector, and its noise models."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from models_store.contracts.vocabulary import Preset
from models_store.survey.survey import survey_planes
from tests.support.tiny_training import CPU
from worker.engine.errors import NetworkInvalidError
from worker.engine.networks.pretrained import PretrainedNetwork, packaged_network, packaged_stack_network
from worker.engine.simulation import Detector, Emccd, PhotonCounter, Scmos, simulate_specimen
from worker.engine.stages.bootstrap import bootstrap_noise_model
from worker.engine.stages.pretrained import (
    estimate_alone,
    estimate_and_factor,
    estimate_with_uncertainty,
    network_for,
)
from worker.judging.image_facts import facts_of

SHAPE_YX = (160, 160)
DETECTORS: dict[str, tuple[Detector, float]] = {
    "sCMOS": (Scmos.with_maps(SHAPE_YX, seed=1), 60),
    "EMCCD": (Emccd(), 40),
    "photon counter": (PhotonCounter(), 10),
}


def _exposed(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return signal, standard deviation of the noise, and observation."""
    detector, peak_photons = DETECTORS[name]
    photons = peak_photons * simulate_specimen(SHAPE_YX, seed=7)
    observation = detector.observe(photons, np.random.default_rng(1)).astype(np.float32)
    return detector.signal_adu(photons), np.sqrt(detector.variance_adu2(photons)), observation


@pytest.mark.parametrize("name", DETECTORS)
def test_it_denoises_what_any_detector_records(name: str) -> None:
    signal, noise, observation = _exposed(name)
    found = estimate_with_uncertainty(
        network_for(packaged_network(), None, observation), observation, device=CPU
    )
    error = found.signal_yx - signal
    assert np.mean((error / noise) ** 2) < 0.1
    assert abs(error.mean()) < 0.05 * noise.mean()
    # The uncertainty is of the size of the error, and tells where it is large.
    claimed = found.std_yx / noise
    assert 0.2 < np.mean((error / found.std_yx) ** 2) < 2.5
    uncertain = claimed > np.quantile(claimed, 0.8)
    assert np.mean((error / noise)[uncertain] ** 2) > 1.3 * np.mean((error / noise)[~uncertain] ** 2)


def test_the_estimate_is_the_same_without_its_uncertainty() -> None:
    *_, observation = _exposed("sCMOS")
    network = network_for(packaged_network(), None, observation)
    alone_yx = estimate_alone(network, observation, device=CPU)
    np.testing.assert_array_equal(
        alone_yx, estimate_with_uncertainty(network, observation, device=CPU).signal_yx
    )


@pytest.mark.parametrize("name", DETECTORS)
def test_its_residuals_tell_the_noise(name: str) -> None:
    signal, noise, observation = _exposed(name)
    selected = bootstrap_noise_model(
        [observation],
        packaged_network(),
        facts=facts_of(survey_planes([observation])),
        seed=0,
        device=CPU,
        on_plane=lambda *_: None,
    )
    low, high = np.quantile(signal, [0.2, 0.9])
    inside = (signal > low) & (signal < high)
    variance = selected.fitted.model.variance_adu2(torch.from_numpy(signal[inside])).numpy()
    assert variance.mean() == pytest.approx(np.mean(noise[inside] ** 2), rel=0.15)


def test_residuals_of_smooth_specimens_are_widened_to_the_noise() -> None:
    """The network errs less there than a posterior mean of rougher specimens does, of which it knows many."""
    ratios = []
    for seed, photons in ((1000, 160.0), (1001, 60.0), (1005, 20.0)):
        shape_yx = (256, 256)
        rng = np.random.default_rng(seed)
        light_yx = photons * (simulate_specimen(shape_yx, seed=seed) + 0.02)
        signal_yx = 100 + 2.2 * light_yx
        noise_yx = 2.2 * (rng.poisson(light_yx) - light_yx) + rng.normal(0, 3, shape_yx)
        found_yx, factor_yx = estimate_and_factor(
            packaged_network(), (signal_yx + noise_yx).astype(np.float32), device=CPU
        )
        weight_yx = 1 / (2.2**2 * light_yx + 9)
        residual_yx = (signal_yx + noise_yx - found_yx) * factor_yx
        ratios.append(np.mean(residual_yx**2 * weight_yx) / np.mean(noise_yx**2 * weight_yx))
    assert np.mean(ratios) == pytest.approx(1, abs=0.006)


def test_pixels_without_a_value_are_predicted_from_their_neighbours() -> None:
    signal, noise, observation = _exposed("sCMOS")
    observation[40:43, 60:64] = np.nan
    found = estimate_with_uncertainty(
        network_for(packaged_network(), None, observation), observation, device=CPU
    )
    assert np.isfinite(found.signal_yx).all()
    assert np.isfinite(found.std_yx).all()
    assert np.abs(found.signal_yx - signal)[40:43, 60:64].mean() < 3 * noise.mean()


@pytest.mark.parametrize("pixels", [1, 20])
def test_a_plane_with_hardly_any_pixels_is_predicted_too(pixels: int) -> None:
    observation = np.full(SHAPE_YX, np.nan, dtype=np.float32)
    observation[40, 60 : 60 + pixels] = np.random.default_rng(0).poisson(50, pixels)
    found = estimate_with_uncertainty(
        network_for(packaged_network(), None, observation), observation, device=CPU
    )
    assert np.isfinite(found.signal_yx).all()
    assert found.signal_yx[40, 60 : 60 + pixels] == pytest.approx(50, abs=25)


def test_the_packaged_network_is_the_one_that_recipes_name() -> None:
    assert packaged_network().digest == Preset.INSTANT.digest, "enter the new digest"


def test_the_card_is_that_of_the_packaged_networks() -> None:
    repository = Path(__file__).parents[2]
    card = (repository / "docs" / "pretrained.md").read_text()
    files = {path.name: path for path in (repository / "worker/engine/networks").glob("*.safetensors")}
    assert len(files) == 2
    assert sum(path.stat().st_size for path in files.values()) < 8_000_000
    for name, network in (
        ("all_specimens.safetensors", packaged_network()),
        ("all_specimens_stacks.safetensors", packaged_stack_network()),
    ):
        _, told = card.split(f"worker/engine/networks/{name}")
        told = told.split("\n## ")[0]
        assert f"digest `{network.digest}`" in told
        assert network.digest == hashlib.sha256(files[name].read_bytes()).hexdigest()[:8]
        assert f"{files[name].stat().st_size / 1e6:.1f} MB" in told
        for part in ("| Trained on |", "| Licence |", "**Limits.**"):
            assert part in told, (name, part)


def test_a_file_gives_the_network_back_and_others_are_refused() -> None:
    network = packaged_network()
    again = PretrainedNetwork.from_bytes(network.to_bytes())
    assert again.provenance == network.provenance
    assert (again.digest, again.spread) == (network.digest, network.spread)
    with pytest.raises(NetworkInvalidError):
        PretrainedNetwork.from_bytes(b"no network")
