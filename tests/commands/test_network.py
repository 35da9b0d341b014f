"""`clearscope train` and `clearscope predict`: networks as files."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from app.commands.main import cli
from models_store.contracts.noise_models import noise_model_parameters
from models_store.contracts.vocabulary import DEFAULT_PRESET, Method
from models_store.errors import ClearScopeError
from models_store.noise_model_files.published import write_published
from tests.support.tiny_training import QUICK
from worker.engine.networks.network import Network
from worker.engine.scores.metrics import psnr
from worker.engine.training.presets import PRESETS

NOISE_ADU = 10.0
Y, X = np.mgrid[:64, :48] / 7.0
TRUTH_YX = np.asarray(200 + 60 * np.sin(Y) * np.cos(X), dtype=np.float32)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, DEFAULT_PRESET, QUICK)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three noisy planes, their clean plane, one of another specimen, and the camera's noise model."""
    noise = np.random.default_rng(0).normal(0, NOISE_ADU, (3, *TRUTH_YX.shape))
    noisy = np.rint(TRUTH_YX + noise).astype(np.uint16)
    tifffile.imwrite(tmp_path / "noisy.tif", noisy, photometric="minisblack")
    tifffile.imwrite(tmp_path / "clean.tif", TRUTH_YX)
    tifffile.imwrite(tmp_path / "narrow.tif", TRUTH_YX[:, :40])
    published = write_published(
        noise_model_parameters.validate_python(
            {
                "kind": "gmm",
                "weights": [[0.0], [float(np.log(NOISE_ADU**2))], [0.0]],
                "signal_min_adu": 100.0,
                "signal_max_adu": 300.0,
                "variance_floor_adu2": 1.0,
            }
        )
    )
    (tmp_path / "camera.npz").write_bytes(published.content)
    (tmp_path / "text.safetensors").write_text("no network", encoding="utf-8")
    return tmp_path


def command(*arguments: str | Path) -> str:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.mark.slow
def test_every_method_trains_and_denoises(folder: Path) -> None:
    noisy, camera = folder / "noisy.tif", folder / "camera.npz"
    n2v = folder / "n2v.safetensors"
    needs: dict[Method, list[str | Path]] = {
        Method.N2V: [],
        Method.PN2V: ["--noise-model", camera, "--start", n2v],
        Method.CARE: ["--ground-truth", folder / "clean.tif"],
        Method.DISTILLED: ["--noise-model", camera, "--teacher", folder / "pn2v.safetensors"],
    }
    for method, options in needs.items():
        network = folder / f"{method}.safetensors"
        command("train", noisy, "--method", method, *options, "--output", network, "--device", "cpu")
        trained = Network.from_bytes(network.read_bytes())
        assert (trained.method, trained.steps) == (method, 60)

        target = folder / f"{method}.tif"
        noise_model: list[str | Path] = ["--noise-model", camera] if method is Method.PN2V else []
        said = command("predict", noisy, target, "--network", network, *noise_model, "--device", "cpu")
        denoised = tifffile.imread(target)
        assert denoised.shape == (3, *TRUTH_YX.shape)
        gain_db = psnr(denoised[0], TRUTH_YX) - psnr(tifffile.imread(noisy)[0], TRUTH_YX)
        assert gain_db > 4, (method, gain_db)
        assert "\nestimate" in f"\n{said}"

    pn2v = ("--network", folder / "pn2v.safetensors", "--noise-model", camera, "--device", "cpu")
    estimates = {}
    for estimate in ("prior_mean", "mmse"):
        target = folder / f"{estimate}.tif"
        assert f"{estimate}: asked for" in command("predict", noisy, target, *pn2v, "--estimate", estimate)
        estimates[estimate] = tifffile.imread(target)
    assert not np.array_equal(estimates["prior_mean"], estimates["mmse"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "noisy.tif", "--method=care", "--output=net"], "--ground-truth: CARE"),
        (["train", "noisy.tif", "--method=pn2v", "--output=net"], "--noise-model: PN2V needs"),
        (
            ["train", "noisy.tif", "--method=distilled", "--noise-model=camera.npz", "--output=net"],
            "--teacher: ",
        ),
        (
            [
                *("train", "noisy.tif", "--method=distilled", "--noise-model=camera.npz"),
                *("--teacher=text.safetensors", "--output=net"),
            ],
            "is not a network",
        ),
        (
            ["train", "noisy.tif", "--method=n2v", "--ground-truth=clean.tif", "--output=net"],
            "--ground-truth: ",
        ),
        (["train", "noisy.tif", "--method=care", "--ground-truth=narrow.tif", "--output=net"], "40 x 64"),
        (
            [
                *("train", "noisy.tif", "--method=care", "--ground-truth=clean.tif"),
                *("--structured-mask", "0", "1", "--output=net"),
            ],
            "--structured-mask: ",
        ),
        (["train", "noisy.tif", "--method=n2v", "--output=none/net"], "no folder"),
        (["train", "noisy.tif", "--method=n2v", "--output=noisy.tif"], "is an input of this command"),
        (
            [
                *("train", "noisy.tif", "--method=pn2v", "--noise-model=camera.npz"),
                "--output=camera.npz",
            ],
            "is an input of this command",
        ),
        (
            [
                *("train", "noisy.tif", "--method=n2v", "--start=text.safetensors"),
                "--output=text.safetensors",
            ],
            "is an input of this command",
        ),
        (["train", "text.safetensors", "--method=n2v", "--output=net"], "text.safetensors"),
        (["predict", "noisy.tif", "out.tif", "--network=text.safetensors"], "is not a network"),
    ],
)
def test_incompatible_arguments_are_refused_with_a_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(ClearScopeError, match=words):
        command(*arguments, "--device", "cpu")
    assert not (folder / "net").exists()


def test_a_network_with_a_single_estimate_takes_no_noise_model(folder: Path) -> None:
    network = folder / "n2v.safetensors"
    command("train", folder / "noisy.tif", "--method", "n2v", "--output", network, "--device", "cpu")
    options = ("--network", network, "--noise-model", folder / "camera.npz")
    with pytest.raises(ClearScopeError, match="uses no noise model"):
        command("predict", folder / "noisy.tif", folder / "out.tif", *options)
