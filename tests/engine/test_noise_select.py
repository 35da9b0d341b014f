"""Selecting and checking noise models, including detectors that a Gaussian mixture fits badly."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from worker.engine.noise.fitting.check import check_noise_model, overconfidence
from worker.engine.noise.fitting.fit import fit_gmm
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.fitting.select import SelectedNoiseModel, select_gmm
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.simulation import PhotonCounter, Scmos, simulate_specimen


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


class Scene:
    """A specimen and its ideal prior: each pixel's photons follow a gamma distribution."""

    def __init__(self, detector: PhotonCounter, *, photons: float = 14.0, size_px: int = 128) -> None:
        rng = np.random.default_rng(2)
        expected = simulate_specimen((size_px, size_px), seed=2, background=0.03) * photons
        scatter = 0.35**2 * (expected + 0.05) / expected

        def draw(number: int) -> NDArray[np.float64]:
            return rng.gamma((expected / scatter)[..., None], scatter[..., None], (*expected.shape, number))

        true = draw(1)[..., 0]
        self.observation = detector.observe(true, rng)
        levels = np.linspace(0, 40, 400)
        recorded = [detector.observe(np.full(5_000, level), rng).mean() for level in levels]
        self.signal = np.interp(true, levels, recorded)
        self.samples = np.interp(draw(100), levels, recorded)
        self.pseudo_ground_truth = np.interp(expected, levels, recorded)

    def counts(self) -> PairCounts:
        counts = PairCounts()
        counts.add(self.observation, self.pseudo_ground_truth)
        return counts.trimmed()

    def gain_db(self, model: GaussianMixtureNoiseModel, *, darkest: float = 1.0) -> float:
        """Return the gain of the MMSE estimate over the prior mean, in the darkest pixels."""
        observation = torch.from_numpy(self.observation.astype(np.float64))[..., None]
        samples = torch.from_numpy(self.samples)
        posterior = torch.softmax(model.log_likelihood(observation, samples), dim=-1)
        mmse = (posterior * samples).sum(-1).numpy()
        dark = self.pseudo_ground_truth <= np.quantile(self.pseudo_ground_truth, darkest)
        prior_error, error = (
            np.mean((estimate - self.signal)[dark] ** 2) for estimate in (self.samples.mean(-1), mmse)
        )
        return float(10 * np.log10(prior_error / error))


DETECTORS = {
    "offset": PhotonCounter(),
    "no offset": PhotonCounter(offset_adu=0.0),
    "sharp peaks": PhotonCounter(pulse_spread=0.1, read_noise_adu=2.0),
}


@pytest.fixture(scope="module", params=DETECTORS, ids=str)
def scene(request: pytest.FixtureRequest) -> Scene:
    return Scene(DETECTORS[request.param])


@pytest.fixture(scope="module")
def selected(scene: Scene) -> SelectedNoiseModel[GaussianMixtureNoiseModel]:
    return select_gmm(scene.counts(), generator=generator())


def test_an_estimate_with_the_selected_model_is_better_than_the_prior(
    scene: Scene, selected: SelectedNoiseModel[GaussianMixtureNoiseModel]
) -> None:
    assert (scene.observation == 255).any()
    assert scene.gain_db(selected.fitted.model) > 0.25


def test_it_is_not_worse_in_the_dark_either(
    scene: Scene, selected: SelectedNoiseModel[GaussianMixtureNoiseModel]
) -> None:
    assert scene.gain_db(selected.fitted.model, darkest=0.5) > -0.1


def test_every_candidate_is_safe_with_the_floor_derived_from_the_data(
    scene: Scene, selected: SelectedNoiseModel[GaussianMixtureNoiseModel]
) -> None:
    for candidate in selected.candidates:
        assert scene.gain_db(candidate.fitted.model) > 0.2
    assert selected.check.overconfidence < 1.5


def test_a_low_floor_is_more_likely_but_worse_and_the_check_detects_it() -> None:
    scene = Scene(DETECTORS["offset"])
    counts = scene.counts()
    derived = fit_gmm(counts, generator=generator(), starts=1)
    low = fit_gmm(counts, variance_floor_adu2=0.25, generator=generator(), starts=2)
    assert low.mean_nll < derived.mean_nll - 0.3
    assert scene.gain_db(low.model) < scene.gain_db(derived.model) - 0.1
    assert overconfidence(low.model, counts) > 1.5
    assert check_noise_model(low.model, counts).verdict == "poor"
    assert check_noise_model(derived.model, counts).verdict == "fair"


def camera_counts(**changes: Any) -> PairCounts:  # any field of the detector
    rng = np.random.default_rng(1)
    photons = rng.uniform(5, 300, (500, 600))
    camera = Scmos(
        **{
            "gain_adu_per_e": np.full(photons.shape, 2.0),
            "offset_adu": np.full(photons.shape, 100.0),
            "read_noise_adu": np.full(photons.shape, 3.0),
        }
        | changes
    )
    counts = PairCounts()
    counts.add(camera.observe(photons, rng), 2.0 * photons + 100.0)
    return counts


def test_a_camera_needs_one_component_and_passes_the_check() -> None:
    selected = select_gmm(camera_counts(), generator=generator(), candidates=[(1, 2), (3, 2)])
    chosen = selected.candidates[0]
    assert selected.fitted.model is chosen.fitted.model
    assert "K=1 n=2" in selected.reason
    assert selected.check.verdict == "good"
    assert sum(selected.check.histogram) == pytest.approx(1.0)
    assert max(abs(share - 0.05) for share in selected.check.histogram) < 0.005
    assert selected.check.overconfidence == pytest.approx(1.0, abs=0.05)


def test_further_components_are_tried_only_where_the_last_ones_gained(
    selected: SelectedNoiseModel[GaussianMixtureNoiseModel],
) -> None:
    camera = select_gmm(camera_counts(), generator=generator())
    assert [fit.components for fit in camera.candidates] == [1, 3, 3]
    assert [fit.components for fit in selected.candidates] == [1, 3, 3, 5]


def test_a_curved_transfer_needs_more_coefficients() -> None:
    rng = np.random.default_rng(3)
    signal = rng.uniform(100, 1100, 300_000)
    unit = (signal - 100) / 1000
    observation = np.rint(signal + rng.standard_normal(signal.size) * np.sqrt(20 + 3000 * unit**2))
    counts = PairCounts()
    counts.add(observation, signal)
    selected = select_gmm(counts, generator=generator(), candidates=[(1, 2), (1, 3)])
    assert selected.fitted.model.coefficients == 3
    assert selected.candidates[1].held_out_nll < selected.candidates[0].held_out_nll - 0.005


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "good"),
        ({"read_noise_adu": np.full((500, 600), 20.0)}, "poor"),
        ({"offset_adu": np.full((500, 600), 140.0)}, "poor"),
        ({"gain_adu_per_e": np.full((500, 600), 2.02)}, "fair"),
    ],
)
def test_a_model_of_another_camera_is_detected(changes: dict[str, Any], verdict: str) -> None:
    right = fit_gmm(camera_counts(), 1, 2, generator=generator(), starts=1).model
    check = check_noise_model(right, camera_counts(**changes))
    assert check.verdict == verdict
    assert check.summary.startswith(verdict)


def test_the_same_seed_selects_the_same_model() -> None:
    counts = camera_counts()
    first, second = (
        select_gmm(counts, generator=generator(), candidates=[(1, 2), (2, 2)]).fitted.model.weights
        for _ in range(2)
    )
    assert torch.equal(first, second)
