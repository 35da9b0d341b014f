"""Options about the noise when denoising a file: kind of noise model, structured mask."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner, Result

from app.commands.main import cli
from models_store.contracts.noise_models import HistogramParameters
from models_store.contracts.vocabulary import DEFAULT_PRESET
from models_store.errors import InvalidRequestError
from models_store.noise_model_files.published import read_published
from tests.support.tiny_training import TINY
from worker.engine.training.presets import PRESETS


@pytest.fixture
def correlated_tiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Image whose noise correlates by 0.4 along x."""
    monkeypatch.setitem(PRESETS, DEFAULT_PRESET, TINY)
    y, x = np.mgrid[:96, :96] / 12.0
    white = np.random.default_rng(6).normal(0, 20, (96, 97))
    observation_yx = 1000 + 200 * np.sin(y) * np.cos(x) + white[:, 1:] + 0.5 * white[:, :-1]
    path = tmp_path / "correlated.tif"
    tifffile.imwrite(path, np.rint(observation_yx).astype(np.uint16))
    return path


def denoise(source: Path, *options: str) -> Result:
    arguments = ["denoise", str(source), str(source.with_name("result.tif")), "--device", "cpu", *options]
    return CliRunner().invoke(cli, arguments, env={"COLUMNS": "400"})


def test_a_histogram_is_bootstrapped_written_and_used_again(correlated_tiff: Path) -> None:
    noise_model, report = correlated_tiff.with_name("noise.npy"), correlated_tiff.with_name("report")
    masked = ["--noise-model-kind", "histogram", "--structured-mask", "0", "2", "--report", str(report)]
    first = denoise(correlated_tiff, *masked, "--save-noise-model", str(noise_model))
    assert first.exit_code == 0, first.output
    assert "bootstrap, histogram of 256 bins" in first.output
    assert "structured mask" not in first.output
    record = json.loads((report / "report.json").read_text(encoding="utf-8"))
    assert record["noise_model"]["kind"] == "histogram"
    saved = read_published(noise_model.read_bytes())
    assert isinstance(saved, HistogramParameters)
    assert saved.signal_min_adu == record["noise_model"]["signal_min_adu"]

    second = denoise(correlated_tiff, "--noise-model", str(noise_model))
    assert second.exit_code == 0, second.output
    assert "file, histogram of 256 bins" in second.output
    assert second.output.count("structured mask along x") == 1
    assert second.output.index("structured mask along x") < second.output.index("N2V network")


def test_a_warning_of_correlated_noise_comes_before_hours_of_training(correlated_tiff: Path) -> None:
    network = correlated_tiff.with_name("n2v.safetensors")
    options = ["--method", "n2v", "--output", str(network), "--device", "cpu"]
    trained = CliRunner().invoke(cli, ["train", str(correlated_tiff), *options])
    assert trained.exit_code == 0, trained.output
    assert trained.output.index("structured mask along x") < trained.output.index("N2V network")


@pytest.mark.parametrize(("kind", "name"), [("histogram", "noise.npz"), ("gmm", "noise.npy")])
def test_a_noise_model_is_not_written_to_a_file_with_a_misleading_suffix(
    correlated_tiff: Path, kind: str, name: str
) -> None:
    target = correlated_tiff.with_name(name)
    refused = denoise(correlated_tiff, "--noise-model-kind", kind, "--save-noise-model", str(target))
    assert isinstance(refused.exception, InvalidRequestError)
    assert f"of kind {kind} is written as" in refused.exception.detail
    assert not target.exists()


@pytest.mark.parametrize("mask", [("0", "9"), ("-1", "0")])
def test_a_mask_beyond_bounds_is_refused(correlated_tiff: Path, mask: tuple[str, str]) -> None:
    refused = denoise(correlated_tiff, "--structured-mask", *mask)
    assert refused.exit_code == 2
    assert "--structured-mask" in refused.output
