"""Scales on which networks see pixels, and how they are measured on images."""

import math

import numpy as np
import pytest
import torch

from tests.support.tiny_training import NOISE
from worker.engine.errors import ImageUnsuitableError
from worker.engine.networks.prior import GaussianMixture, bent_outputs
from worker.engine.networks.scale import Scale
from worker.engine.training.scaling import moments_scale, noise_scale, scale_of_signals

GAIN_ADU, OFFSET_ADU, READ_ADU = 2.0, 100.0, 3.0
SCALE = Scale(100.0, 3.0, 2.0, centre=4.0, spread=2.5)


def _camera(photons: np.ndarray, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    read = rng.normal(OFFSET_ADU, READ_ADU, photons.shape)
    return torch.tensor(np.round(GAIN_ADU * rng.poisson(photons) + read), dtype=torch.float32)


def _photons(side_px: int = 128) -> np.ndarray:
    y, x = np.mgrid[:side_px, :side_px] / 15
    return np.asarray(30 + 25 * np.sin(x) * np.cos(y))


def test_noise_is_one_unit_at_every_signal() -> None:
    for photons in (0.0, 20.0, 300.0, 20_000.0):
        signal_adu = OFFSET_ADU + GAIN_ADU * photons
        noise_adu = math.sqrt(READ_ADU**2 + GAIN_ADU**2 * photons)
        here = torch.tensor([signal_adu - noise_adu / 10, signal_adu + noise_adu / 10], dtype=torch.float64)
        below, above = SCALE.noise_units(here).tolist()
        assert above - below == pytest.approx(0.2, rel=0.01)
        assert float(SCALE.noise_adu(torch.tensor(signal_adu))) == pytest.approx(noise_adu)


@pytest.mark.parametrize("scale", [SCALE, Scale(500.0, 40.0)])
def test_the_curve_inverts_the_scale(scale: Scale) -> None:
    values_adu = torch.linspace(20, 60_000, 997, dtype=torch.float64)
    zero_adu, unit_adu = scale.tangent
    outputs = bent_outputs(zero_adu + unit_adu * scale.normalise(values_adu), scale.curve, "samples")
    torch.testing.assert_close(outputs, values_adu, rtol=1e-9, atol=1e-6)


def test_widths_of_a_mixture_are_stretched_like_their_surroundings() -> None:
    assert SCALE.curve is not None
    mean, step = torch.tensor([[180.0, 90.0]]), 1e-3
    outputs = torch.cat([mean, torch.full((1, 2), math.log(step)), torch.zeros((1, 2))], dim=1).double()
    mixture = GaussianMixture.of_outputs(bent_outputs(outputs, SCALE.curve, "mixture"))
    further = SCALE.curve.bend(outputs[:, :2] + step)
    torch.testing.assert_close(mixture.std_adu, further - mixture.mean_adu, rtol=1e-3, atol=1e-9)


def test_the_noise_line_of_a_camera_is_measured_on_its_image() -> None:
    scale = noise_scale([_camera(_photons(), 1), _camera(_photons(), 2)])
    expected_adu2 = READ_ADU**2 + GAIN_ADU * (scale.origin_adu - OFFSET_ADU)
    assert scale.gain_adu == pytest.approx(GAIN_ADU, rel=0.15)
    assert scale.unit_adu**2 == pytest.approx(expected_adu2, rel=0.2)


def test_one_bright_object_hardly_changes_how_a_network_sees_the_rest() -> None:
    photons = _photons()
    y, x = np.mgrid[:128, :128]
    object_ = 250 * photons.max() * np.exp(-((y - 40) ** 2 + (x - 90) ** 2) / (2 * 3.0**2))
    dim_adu = torch.tensor([110.0, 160.0])
    steps = [
        float(scale.normalise(dim_adu).diff())
        for images in ([_camera(photons)], [_camera(photons + object_)])
        for scale in (noise_scale(images), moments_scale(images))
    ]
    noise, moments, noise_beside_object, moments_beside_object = steps
    assert noise_beside_object > 0.5 * noise
    assert moments_beside_object < 0.05 * moments


def test_hot_pixels_marked_as_missing_do_not_change_the_scale() -> None:
    image = _camera(_photons())
    marked = image.clone()
    marked[::17, ::13] = math.nan
    scale, expected = noise_scale([marked]), noise_scale([image])
    assert scale.gain_adu == pytest.approx(expected.gain_adu, rel=0.2)
    assert scale.spread == pytest.approx(expected.spread, rel=0.1)


def test_a_noise_model_defines_the_noise_of_images_that_have_none() -> None:
    clean = torch.tensor(OFFSET_ADU + _photons(), dtype=torch.float32)
    scale = noise_scale([clean], NOISE)
    assert scale.unit_adu == pytest.approx(10.0, rel=1e-3)
    assert scale.gain_adu == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "image",
    [torch.full((20, 20), 7.0), torch.arange(400.0).view(20, 20), torch.arange(100.0).view(2, 50)],
    ids=["constant", "without noise", "two rows"],
)
def test_images_whose_noise_cannot_be_measured_have_a_scale_too(image: torch.Tensor) -> None:
    scale = noise_scale([image])
    assert bool(scale.normalise(image).isfinite().all())
    assert float(scale.normalise(image).abs().max()) < 100


def test_ground_truth_on_another_scale_gets_the_scale_of_its_observations() -> None:
    observation = _camera(_photons())
    clean = torch.tensor(_photons() * 0.01 - 3.0)
    clean[5, 5] = math.nan
    scale = noise_scale([observation])
    found = scale_of_signals(scale, [observation], [clean])
    factor = 0.01 / GAIN_ADU
    expected = scale.of_line(-3.0 - factor * OFFSET_ADU, factor)
    assert found.parameters == pytest.approx(expected.parameters, rel=0.02)


def test_unrelated_ground_truth_has_the_scale_of_its_moments() -> None:
    observation = _camera(_photons())
    scale = noise_scale([observation])
    assert scale_of_signals(scale, [observation], [-observation]) == moments_scale([-observation])


def test_too_few_pixels_are_refused() -> None:
    with pytest.raises(
        ImageUnsuitableError, match="63 pixels of the images hold a measurement, but training needs 64"
    ):
        noise_scale([torch.ones((7, 9))])


@pytest.mark.parametrize(
    "wrong", [{"unit_adu": 0.0}, {"spread": -1.0}, {"gain_adu": -1.0}, {"centre": math.inf}]
)
def test_impossible_scales_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="scale"):
        Scale.from_parameters({"origin_adu": 1.0, "unit_adu": 1.0} | wrong)
