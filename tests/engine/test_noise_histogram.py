"""The histogram noise model: counting, gaps, and the meaning of published files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models_store.contracts.noise_model_limits import MAX_BINS
from worker.engine.errors import NoiseFitError, NoiseModelInvalidError
from worker.engine.noise.models.histogram import HistogramCounts, HistogramNoiseModel

GAIN, OFFSET_ADU, READ_NOISE_ADU = 2.0, 100.0, 3.0


def observe(signal_adu: np.ndarray, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    photons = rng.poisson((signal_adu - OFFSET_ADU) / GAIN)
    return np.rint(GAIN * photons + OFFSET_ADU + rng.normal(0, READ_NOISE_ADU, signal_adu.shape))


def counted(signal_adu: np.ndarray, *, bins: int = 128, step_adu: float = 1.0) -> HistogramNoiseModel:
    counts = HistogramCounts(min_adu=80, max_adu=700, step_adu=step_adu, bins=bins)
    counts.add(observe(signal_adu), signal_adu)
    return counts.model()


@pytest.fixture(scope="module")
def model() -> HistogramNoiseModel:
    return counted(np.random.default_rng(1).uniform(110, 600, 400_000))


def test_a_published_histogram_gives_the_published_likelihoods(golden: Path) -> None:
    probabilities, lower, upper = np.load(golden / "ppn2v_histogram_256.npy").astype(np.float64)
    expected = np.load(golden / "ppn2v_histogram_256_likelihood.npz")
    model = HistogramNoiseModel(
        torch.from_numpy(probabilities),
        float(lower.min()),
        float(upper.max()),
        published_interpolation=True,
        unseen_probability=1e-30,
    )
    model = model.to("cpu", torch.float32)  # in which the published code computes
    observation, signal = (torch.from_numpy(expected[name]) for name in ("observation", "signal"))
    likelihood = model.log_likelihood(observation, signal).exp() * model.bin_width_adu
    np.testing.assert_allclose(likelihood.numpy(), expected["likelihood"], rtol=1e-4, atol=1e-12)


def test_the_variance_lies_on_the_photon_transfer_line(model: HistogramNoiseModel) -> None:
    signal = torch.linspace(150, 560, 40, dtype=torch.float64)
    true = GAIN * (signal - OFFSET_ADU) + READ_NOISE_ADU**2
    error = model.variance_adu2(signal) / true - 1
    assert float(error.abs().mean()) < 0.03
    assert float(error.mean().abs()) < 0.02


def test_the_density_integrates_to_one(model: HistogramNoiseModel) -> None:
    observation = torch.arange(model.min_adu, model.max_adu, 0.25, dtype=torch.float64)
    for signal_adu in (130.0, 333.3, 580.0):
        density = model.log_likelihood(observation, torch.tensor(signal_adu)).exp()
        assert float(density.sum() * 0.25) == pytest.approx(1, abs=0.01)


def test_the_likelihood_follows_the_signal_and_has_a_gradient(model: HistogramNoiseModel) -> None:
    signal = torch.linspace(200, 400, 2001, dtype=torch.float64, requires_grad=True)
    log_likelihood = model.log_likelihood(torch.tensor(300.0, dtype=torch.float64), signal)
    assert float(signal[log_likelihood.argmax()].detach()) == pytest.approx(300, abs=15)
    log_likelihood.sum().backward()  # type: ignore[no-untyped-call]
    assert signal.grad is not None
    at = signal.detach()
    below, above = signal.grad[(at > 260) & (at < 285)], signal.grad[(at > 315) & (at < 340)]
    assert float(below.mean()) > 0 > float(above.mean())


def test_signals_never_seen_have_the_noise_of_the_nearest_seen() -> None:
    gap = counted(np.concatenate([np.full(20_000, 200.0), np.full(20_000, 400.0)]))
    for signal_adu, nearest_adu in ((250.0, 200.0), (360.0, 400.0), (660.0, 400.0)):
        at = torch.tensor(signal_adu, dtype=torch.float64)
        near = torch.tensor(nearest_adu, dtype=torch.float64)
        assert float(gap.variance_adu2(at)) == pytest.approx(float(gap.variance_adu2(near)), rel=0.25)
        observation = torch.linspace(90, 690, 601, dtype=torch.float64)
        most_likely = observation[gap.log_likelihood(observation, at).argmax()]
        assert float(most_likely) == pytest.approx(signal_adu, abs=20)


def test_gaps_of_a_published_file_have_the_variance_of_the_nearest_signal_seen(golden: Path) -> None:
    probabilities, lower, upper = np.load(golden / "ppn2v_histogram_256.npy").astype(np.float64)
    model = HistogramNoiseModel(torch.from_numpy(probabilities), float(lower.min()), float(upper.max()))
    seen = probabilities.sum(axis=1) > 0.5
    assert not seen[-10:].any()
    last = float(lower[np.flatnonzero(seen)[-1], 0]) + model.bin_width_adu / 2
    at = torch.tensor([last, model.max_adu], dtype=torch.float64)
    of_last, of_end = model.variance_adu2(at).tolist()
    assert of_end == pytest.approx(of_last)


def test_a_histogram_that_has_seen_nothing_is_refused() -> None:
    with pytest.raises(NoiseModelInvalidError, match="no signal was seen"):
        HistogramNoiseModel(torch.full((4, 4), 1e-30), 0.0, 1.0)


def test_every_likelihood_is_finite(model: HistogramNoiseModel) -> None:
    values = torch.tensor([-1e9, 0.0, model.min_adu, 300.0, model.max_adu, 1e9], dtype=torch.float64)
    assert bool(model.log_likelihood(values[:, None], values).isfinite().all())
    assert bool(model.variance_adu2(values).gt(0).all())


def test_bins_hold_whole_steps_of_the_detector() -> None:
    counts = HistogramCounts(min_adu=0, max_adu=255, step_adu=1, bins=256)
    assert counts.bin_width_adu == 1
    assert HistogramCounts(min_adu=94, max_adu=2003, step_adu=1, bins=256).bin_width_adu == 8


def test_the_brightest_value_has_a_bin() -> None:
    counts = HistogramCounts(min_adu=100, max_adu=612, step_adu=1)
    extremes = np.array([100.0, 612.0])
    counts.add(extremes, extremes)
    assert counts.pairs == 2


def test_a_histogram_has_no_more_bins_than_can_be_stored() -> None:
    with pytest.raises(NoiseModelInvalidError, match=f"{MAX_BINS + 1} bins, expected 2 to {MAX_BINS}"):
        HistogramNoiseModel(torch.eye(MAX_BINS + 1), 0.0, 100.0)


def test_saturated_and_undefined_pixels_are_not_counted() -> None:
    counts = HistogramCounts(min_adu=0, max_adu=100)
    observation = np.array([10.0, np.nan, 50.0, 99.0, 1e6])
    counts.add(observation, np.full(5, 50.0), saturated=observation == 99)
    assert counts.pairs == 2


def test_the_parameters_restore_the_same_model(model: HistogramNoiseModel) -> None:
    again = HistogramNoiseModel.from_parameters(model.parameters())
    signal = torch.linspace(100, 600, 50, dtype=torch.float64)
    torch.testing.assert_close(
        again.log_likelihood(signal + 5, signal), model.log_likelihood(signal + 5, signal), rtol=0, atol=0
    )


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"probabilities": [[0.5, 0.5]]}, r"expected \(B, B\)"),
        ({"probabilities": [[0.5, 2.0], [0.5, 0.5]]}, r"in 0 \.\. 1"),
        ({"probabilities": [[0.5, float("nan")], [0.5, 0.5]]}, r"in 0 \.\. 1"),
        ({"signal_max_adu": 0.0}, "finite and not empty"),
        ({"kind": "gmm"}, "expected 'histogram'"),
        ({"probabilities": "many"}, "wrong type"),
    ],
)
def test_impossible_parameters_are_refused(wrong: dict[str, object], complaint: str) -> None:
    sound = {
        "kind": "histogram",
        "probabilities": [[1.0, 0.0], [0.0, 1.0]],
        "signal_min_adu": 0.0,
        "signal_max_adu": 2.0,
    }
    with pytest.raises(NoiseModelInvalidError, match=complaint):
        HistogramNoiseModel.from_parameters(sound | wrong)


def test_no_counts_make_no_model() -> None:
    with pytest.raises(NoiseFitError, match="no pixel lies within"):
        HistogramCounts(min_adu=0, max_adu=1).model()
