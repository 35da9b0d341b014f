"""Noise models that the engine makes of files of the published code."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models_store.errors import NoiseModelInvalidError
from models_store.noise_model_files.published import read_published
from tests.support.published_files import histogram_npy, npz
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.noise.models.histogram import HistogramNoiseModel


@pytest.mark.parametrize("name", ["K1_n2", "K3_n2", "K3_n3"])
def test_an_imported_file_has_the_published_likelihoods(golden: Path, name: str) -> None:
    parameters = read_published((golden / f"ppn2v_gmm_{name}.npz").read_bytes())
    model = GaussianMixtureNoiseModel.from_parameters(parameters.plain())
    expected = np.load(golden / f"ppn2v_gmm_{name}_likelihood.npz")
    observation, signal = torch.from_numpy(expected["observation"]), torch.from_numpy(expected["signal"])
    likelihood = model.log_likelihood(observation.double(), signal.double()).exp()
    np.testing.assert_allclose(likelihood.numpy(), expected["likelihood"], rtol=1e-4)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_file_is_read_or_refused(damage: list[tuple[int, int]]) -> None:
    content = bytearray(npz())
    for position, value in damage:
        content[position % len(content)] = value
    with suppress(NoiseModelInvalidError):
        parameters = read_published(bytes(content)).plain()
        assert GaussianMixtureNoiseModel.from_parameters(parameters).parameters() == parameters


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1200), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_damaged_histogram_is_read_or_refused(damage: list[tuple[int, int]]) -> None:
    content = bytearray(histogram_npy())
    for position, value in damage:
        content[position % len(content)] = value
    with suppress(NoiseModelInvalidError):
        parameters = read_published(bytes(content)).plain()
        np.testing.assert_equal(HistogramNoiseModel.from_parameters(parameters).parameters(), parameters)
