"""All stages together, and the choice between their estimates."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models_store.contracts.noise_models import noise_model_parameters
from models_store.survey.survey import survey_planes
from tests.support.all_stages import AllStages, run_all_stages
from worker.engine.errors import NetworkInvalidError
from worker.engine.networks.network import Network
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.prediction.choice import Choice, choose_estimate
from worker.engine.prediction.inference import predict_plane
from worker.engine.scores.metrics import affine_invariant_psnr
from worker.engine.simulation import PhotonCounter, simulate_specimen
from worker.engine.stages.bootstrap import bootstrap_noise_model
from worker.engine.stages.denoise import Denoiser, denoise_plane
from worker.engine.training.loop import train
from worker.engine.training.presets import PRESETS
from worker.judging.image_facts import facts_of

CPU = torch.device("cpu")
TINY = replace(
    PRESETS["fast"],
    features=8,
    depth=2,
    samples=20,
    patch_px=32,
    patches_per_step=8,
    patches_at_once=8,
    n2v_steps=100,
    teacher_share=0.8,
    pn2v_steps=60,
    distillation_steps=60,
    steps_per_validation=20,
    reduced_precision=False,
    symmetries=2,
)


def _specimen() -> tuple[np.ndarray, np.ndarray]:
    """Return signal and observation, with noise of variance 0.5 * signal."""
    y, x = np.mgrid[:112, :112] / 12
    signal = 150 + 80 * np.sin(x + np.sin(y)) * np.cos(y)
    noise = np.random.default_rng(0).normal(size=signal.shape) * np.sqrt(0.5 * signal)
    return signal, (signal + noise).astype(np.float32)


def _mse(image: np.ndarray, signal: np.ndarray) -> float:
    return float(np.mean((image - signal) ** 2))


def _facts(plane_yx: np.ndarray) -> ImageFacts:
    return facts_of(survey_planes([plane_yx]))


@pytest.fixture(scope="module")
def all_stages(tmp_path_factory: pytest.TempPathFactory) -> AllStages:
    _, observation = _specimen()
    return run_all_stages([observation], TINY, tmp_path_factory.mktemp("stages"), device=CPU)


@pytest.fixture(scope="module")
def prepared(all_stages: AllStages) -> Denoiser:
    return all_stages.denoiser


def _pn2v(denoiser: Denoiser) -> Network:
    assert denoiser.pn2v is not None
    return denoiser.pn2v


def test_all_stages_run_in_order(all_stages: AllStages) -> None:
    assert all_stages.stages == ["n2v", "noise_model", "pn2v", "distil", "predict"]
    assert all_stages.denoiser.n2v is not None
    assert all_stages.denoiser.n2v.steps == TINY.of_teachers().n2v_steps < TINY.n2v_steps


def test_the_delivered_image_is_the_best_one_and_far_less_noisy(
    prepared: Denoiser,
) -> None:
    signal, observation = _specimen()
    denoised = denoise_plane(observation, prepared, device=CPU)
    assert prepared.n2v is not None
    assert denoised.pn2v is not None
    assert denoised.pn2v.mmse_yx is not None
    n2v_yx = predict_plane(prepared.n2v, observation, device=CPU).prior_mean_yx
    assert _mse(denoised.image_yx, signal) < 0.4 * _mse(observation, signal)
    assert _mse(denoised.image_yx, signal) < 1.02 * _mse(n2v_yx, signal)
    assert prepared.distilled is not None
    estimates = {
        "n2v": n2v_yx,
        "prior_mean": denoised.pn2v.prior_mean_yx,
        "mmse": denoised.pn2v.mmse_yx,
        "distilled": predict_plane(prepared.distilled, observation, device=CPU).prior_mean_yx,
    }
    choice = prepared.choice
    np.testing.assert_array_equal(denoised.image_yx, estimates[choice.estimate])
    assert set(choice.scores) == set(estimates)
    noise_adu2 = float(np.mean(0.5 * signal))
    assert choice.scores[choice.estimate] <= min(choice.scores.values()) + 0.01 * noise_adu2


def test_the_bootstrapped_noise_model_has_the_variance_of_the_noise(
    prepared: Denoiser,
) -> None:
    signal = torch.tensor([90.0, 150.0, 210.0]).double()
    found = prepared.noise_model.variance_adu2(signal)
    np.testing.assert_allclose(found.numpy(), 0.5 * signal.numpy(), rtol=0.25)


def _choose(
    n2v: Network | None,
    pn2v: Network,
    noise_model: GaussianMixtureNoiseModel,
    observation: np.ndarray | None = None,
) -> Choice:
    observation = _specimen()[1] if observation is None else observation
    return choose_estimate(
        [observation],
        n2v=n2v,
        pn2v=pn2v,
        noise_model=noise_model,
        seed=0,
        device=CPU,
        on_plane=lambda _done, _planes: None,
    )


def test_a_spoilt_pn2v_network_is_not_delivered(prepared: Denoiser) -> None:
    assert prepared.n2v is not None
    assert isinstance(prepared.noise_model, GaussianMixtureNoiseModel)
    spoilt = Network.from_bytes(_pn2v(prepared).to_bytes())
    spoilt.model.head.bias.add_(0.03)
    choice = _choose(prepared.n2v, spoilt, prepared.noise_model)
    assert choice.estimate == "n2v"
    assert "N2V's prediction has the lowest mean squared error" in choice.reason
    assert "that of PN2V's MMSE estimate differs by +" in choice.reason


def test_networks_of_very_different_images_are_refused(
    prepared: Denoiser,
) -> None:
    assert isinstance(prepared.noise_model, GaussianMixtureNoiseModel)
    checkerboard = np.indices((64, 64)).sum(axis=0) % 2
    observation = (30_000 + 30_000 * checkerboard).astype(np.float32)
    with pytest.raises(NetworkInvalidError, match="another exposure or camera"):
        _choose(prepared.n2v, _pn2v(prepared), prepared.noise_model, observation)


def test_an_estimate_that_copies_the_noise_is_not_mistaken_for_a_good_one(
    prepared: Denoiser,
) -> None:
    assert isinstance(prepared.noise_model, GaussianMixtureNoiseModel)
    # With widely spread samples the likelihood decides: the MMSE estimate follows the observation.
    copying = Network.from_bytes(_pn2v(prepared).to_bytes())
    copying.model.head.bias.add_(torch.linspace(-0.1, 0.1, TINY.samples))
    _, observation = _specimen()
    estimate = predict_plane(copying, observation, noise_model=prepared.noise_model, device=CPU)
    assert estimate.mmse_yx is not None
    signal, _ = _specimen()
    assert _mse(estimate.mmse_yx, signal) > 1.3 * _mse(estimate.prior_mean_yx, signal)
    assert _choose(None, copying, prepared.noise_model).estimate == "prior_mean"


@pytest.mark.parametrize(("events", "competes"), [(4, False), (400, True)])
def test_the_mmse_estimate_is_a_candidate_only_if_the_noise_is_not_too_skewed(
    prepared: Denoiser, *, events: int, competes: bool
) -> None:
    assert isinstance(prepared.noise_model, GaussianMixtureNoiseModel)
    signal, _ = _specimen()
    # Variance as before, skewness 2 / sqrt(events).
    unit = np.random.default_rng(1).gamma(events, size=signal.shape) / events - 1
    observation = (signal + unit * np.sqrt(events * 0.5 * signal)).astype(np.float32)
    choice = _choose(prepared.n2v, _pn2v(prepared), prepared.noise_model, observation)
    assert ("mmse" in choice.scores) == competes
    assert ("too skewed" in choice.reason) != competes
    assert competes or choice.estimate != "mmse"


@pytest.mark.slow
def test_on_a_photon_counter_with_8_bits_the_delivered_image_is_no_worse_than_n2v(tmp_path: Path) -> None:
    specimen = simulate_specimen((160, 160), seed=4)
    observation = PhotonCounter().observe(12 * specimen, np.random.default_rng(4))
    assert (observation == 255).any()
    denoiser = run_all_stages([observation], TINY, tmp_path, device=CPU).denoiser
    assert denoiser.n2v is not None
    observation = observation.astype(np.float32)
    delivered = denoise_plane(observation, denoiser, device=CPU).image_yx
    n2v_yx = predict_plane(denoiser.n2v, observation, device=CPU).prior_mean_yx
    raw_db, n2v_db, delivered_db = (
        affine_invariant_psnr(image_yx, specimen) for image_yx in (observation, n2v_yx, delivered)
    )
    assert delivered_db > raw_db + 3
    assert delivered_db > n2v_db - 0.05


def test_bootstrapping_leaves_the_planes_alone_and_can_be_repeated(
    prepared: Denoiser,
) -> None:
    _, observation = _specimen()
    before = observation.copy()
    assert prepared.n2v is not None
    fits = [
        bootstrap_noise_model(
            [observation],
            prepared.n2v,
            facts=_facts(observation),
            seed=1,
            device=CPU,
            on_plane=lambda _done, _planes: None,
        )
        for _ in range(2)
    ]
    assert fits[0].fitted.model.parameters() == fits[1].fitted.model.parameters()
    np.testing.assert_array_equal(observation, before)


def test_a_histogram_can_be_bootstrapped_and_used_in_place_of_a_mixture(
    prepared: Denoiser,
) -> None:
    signal_yx, observation = _specimen()
    assert prepared.n2v is not None
    selected = bootstrap_noise_model(
        [observation],
        prepared.n2v,
        facts=_facts(observation),
        kind="histogram",
        seed=1,
        device=CPU,
        on_plane=lambda _done, _planes: None,
    )
    model = selected.fitted.model
    signal = torch.linspace(100, 200, 30).double()
    assert float((model.variance_adu2(signal) / (0.5 * signal)).mean()) == pytest.approx(1, abs=0.25)
    pn2v = train(
        [observation],
        method="pn2v",
        preset=TINY,
        noise_model=model,
        start=prepared.n2v,
        seed=0,
        device=CPU,
        on_step=lambda _: None,
    )
    estimate = predict_plane(pn2v, observation, noise_model=model, device=CPU)
    assert estimate.mmse_yx is not None
    assert _mse(estimate.mmse_yx, signal_yx) < 0.5 * _mse(observation, signal_yx)


def test_a_noise_model_from_calibration_needs_no_bootstrap(tmp_path: Path) -> None:
    _, observation = _specimen()
    weights = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    noise_model = GaussianMixtureNoiseModel(weights, 50.0, 250.0, 1.0)
    parameters = noise_model_parameters.validate_python(noise_model.parameters())
    preset = replace(TINY, n2v_steps=20, pn2v_steps=10, distillation_steps=10)
    made = run_all_stages([observation], preset, tmp_path, device=CPU, noise_model=parameters)
    assert made.denoiser.noise_model.parameters() == noise_model.parameters()
    assert made.stages == ["n2v", "pn2v", "distil", "predict"]


def test_training_warns_of_nothing_when_there_is_nothing_to_learn() -> None:
    flat = np.full((40, 40), 100.0, dtype=np.float32)
    network = train(
        [flat], method="n2v", preset=replace(TINY, n2v_steps=30), seed=0, device=CPU, on_step=lambda _: None
    )
    np.testing.assert_allclose(predict_plane(network, flat, device=CPU).prior_mean_yx, 100.0, atol=5)


@pytest.mark.parametrize(("limit", "dropped"), [(215.0, True), (1000.0, False)])
def test_pixels_piled_up_at_the_highest_value_are_saturated(
    prepared: Denoiser, *, limit: float, dropped: bool
) -> None:
    _, observation = _specimen()
    clipped = np.minimum(observation.round(), limit)
    assert prepared.n2v is not None
    selected = bootstrap_noise_model(
        [clipped],
        prepared.n2v,
        facts=_facts(clipped),
        seed=1,
        device=CPU,
        on_plane=lambda _done, _planes: None,
    )
    assert selected.fitted.saturated == (int((clipped == limit).sum()) if dropped else 0)
