"""`clearscope train`, `predict`, `denoise` and `submit` on files with several channels."""

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.contracts.noise_models import noise_model_parameters
from models_store.contracts.vocabulary import DEFAULT_PRESET
from models_store.noise_model_files.published import write_published
from tests.support.commands import clearscope
from tests.support.dyes import CHANNELS, NAMES, planes_of_dyes, write_dyes
from tests.support.tiny_training import TINY
from worker.engine.networks.network import Network
from worker.engine.training.presets import PRESETS

CHOICES = "0 (DAPI), 1 (GFP) or 2 (Cy5)"
CPU = ("--device", "cpu")
PLANES_TCYX = planes_of_dyes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of three dyes, one of each dye alone, two noise models, and networks of GFP."""
    folder = tmp_path_factory.mktemp("dyes")
    write_dyes(folder / "dyes.ome.tif", PLANES_TCYX)
    for name, planes_tyx in zip(NAMES, PLANES_TCYX.swapaxes(0, 1), strict=True):
        tifffile.imwrite(
            folder / f"{name}.tif", planes_tyx, photometric="minisblack", metadata={"axes": "TYX"}
        )
    for name, std_adu in (("quiet", 20.0), ("loud", 30.0)):
        parameters = {
            "kind": "gmm",
            "weights": [[0.0], [2 * float(np.log(std_adu))], [0.0]],
            "signal_min_adu": 80.0,
            "signal_max_adu": 2500.0,
            "variance_floor_adu2": 1.0,
        }
        published = write_published(noise_model_parameters.validate_python(parameters))
        (folder / f"{name}.npz").write_bytes(published.content)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setitem(PRESETS, DEFAULT_PRESET, TINY)
        train = ("train", folder / "dyes.ome.tif", *CPU, "--channel", "GFP", "--method")
        clearscope(*train, "n2v", "--output", folder / "n2v.net")
        clearscope(*train, "pn2v", "--noise-model", folder / "quiet.npz", "--output", folder / "pn2v.net")
    return folder


@pytest.mark.slow
def test_a_network_is_trained_on_the_channel_that_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, DEFAULT_PRESET, TINY)
    made = Network.from_bytes((folder / "n2v.net").read_bytes())
    for name, source, *channel in (("alone", "GFP.tif"), ("index", "dyes.ome.tif", "--channel", "1")):
        clearscope(
            "train", folder / source, *CPU, *channel, "--method", "n2v", "--output", folder / f"{name}.net"
        )
        same = Network.from_bytes((folder / f"{name}.net").read_bytes())
        assert same.description == made.description
        assert same.to_bytes() == made.to_bytes()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("train", "--method", "n2v", "--output", "a.net"),
            f"--channel: dyes.ome.tif has several .*{CHOICES}",
        ),
        (
            ("train", "--method", "n2v", "--output", "a.net", "--channel", "3"),
            f"--channel: dyes.ome.tif has 3 channels; name {CHOICES}",
        ),
        (("predict", "--network", "n2v.net", "--channel", "YFP"), "no channel 'YFP'; name " + CHOICES),
        (
            ("predict", "--network", "pn2v.net", *("--noise-model", "quiet.npz") * 2),
            "--noise-model: 2 are named .*3 channels",
        ),
        (
            ("predict", "--network", "pn2v.net", *("--noise-model", "quiet.npz") * 3, "--channel", "0"),
            "--noise-model: the job works on a single channel",
        ),
    ],
)
def test_a_channel_that_is_missing_or_not_there_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(folder)
    command, *options = arguments
    files = ["dyes.ome.tif", *(["never.tif"] if command == "predict" else [])]
    output = clearscope(command, *files, *options, *CPU, code=1)
    assert re.search(told.replace("(", r"\(").replace(")", r"\)"), output), output
    assert not Path("never.tif").exists()


@pytest.mark.slow
def test_each_channel_is_predicted_as_if_it_were_alone(folder: Path) -> None:
    target, titles = folder / "predicted.ome.tif", ["channel 1 of 2 (DAPI)", "channel 2 of 2 (GFP)"]
    twins_tcyx = np.stack([PLANES_TCYX[:, 1], PLANES_TCYX[::-1, 1] + 20], axis=1)
    write_dyes(folder / "twins.ome.tif", twins_tcyx)
    predict = ("--network", folder / "pn2v.net", *CPU)
    noise_models = [folder / f"{name}.npz" for name in ("quiet", "loud")]
    named = [word for path in noise_models for word in ("--noise-model", path)]
    output = clearscope("predict", folder / "twins.ome.tif", target, *predict, *named)
    lines = [line for line in output.splitlines() if line.startswith("estimate ")]
    assert [line.removeprefix("estimate").strip().split(":")[0] for line in lines] == titles
    together_tcyx = tifffile.imread(target)
    for channel, noise_model in enumerate(noise_models):
        source, alone = folder / "twin.tif", folder / "twin_predicted.tif"
        tifffile.imwrite(source, twins_tcyx[:, channel], photometric="minisblack", metadata={"axes": "TYX"})
        clearscope("predict", source, alone, *predict, "--noise-model", noise_model)
        np.testing.assert_array_equal(together_tcyx[:, channel], tifffile.imread(alone))


def test_only_the_channel_that_is_named_is_predicted(folder: Path) -> None:
    target, alone = folder / "named.ome.tif", folder / "alone.tif"
    predict = ("--network", folder / "n2v.net", *CPU)
    output = clearscope("predict", folder / "dyes.ome.tif", target, *predict, "--channel", "GFP")
    clearscope("predict", folder / "GFP.tif", alone, *predict)
    denoised_tcyx = tifffile.imread(target)
    np.testing.assert_array_equal(denoised_tcyx[:, 1], tifffile.imread(alone))
    np.testing.assert_array_equal(denoised_tcyx[:, ::2], PLANES_TCYX[:, ::2])
    assert output.count("is not the one that the job names, so its planes are copied") == CHANNELS - 1


def test_denoise_takes_a_noise_model_file_for_each_channel(folder: Path) -> None:
    quiet, loud = folder / "quiet.npz", folder / "loud.npz"
    options = ("--preset", "instant", "--noise-model", quiet, "--noise-model", "none", "--noise-model", loud)
    output = clearscope("denoise", folder / "dyes.ome.tif", folder / "denoised.ome.tif", *options, *CPU)
    lines = [line for line in output.splitlines() if line.startswith("noise model ")]
    assert [line.split(": ")[1].split(",")[0] for line in lines] == ["file", "bootstrap", "file"]
