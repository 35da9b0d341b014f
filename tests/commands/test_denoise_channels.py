"""Denoising files with several channels without a server."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray

from models_store.contracts.vocabulary import DEFAULT_PRESET
from models_store.errors import InvalidRequestError
from models_store.noise_model_files.published import read_published
from tests.support.tiny_training import TINY
from worker.offline.denoise import DenoiseOptions, denoise_file
from worker.offline.denoise_summary import DenoiseSummary

PRESET = replace(TINY, n2v_steps=8, pn2v_steps=8, distillation_steps=8)
OPTIONS = DenoiseOptions(torch.device("cpu"), seed=3, presets={DEFAULT_PRESET: PRESET})
NAMES = ("dim", "bright")


def nothing(*_: object) -> None:
    """Show no progress."""


@dataclass(frozen=True)
class Run:
    """A denoised stack of two times with two channels, and its progress."""

    source: Path
    target: Path
    planes_tcyx: NDArray[np.uint16]
    summary: DenoiseSummary
    told: list[tuple[str, float, str]]
    warnings: list[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The bright channel has correlated noise."""
    folder = tmp_path_factory.mktemp("channels")
    source, target = folder / "two.ome.tif", folder / "denoised.ome.tif"
    rng = np.random.default_rng(8)
    noise = rng.normal(0, 1, (2, 2, 64, 65))
    y, x = np.mgrid[:64, :64] / 9
    dim = 10 * np.sin(y) * np.cos(x) + 3 * noise[:, 0, :, 1:]
    bright = 4000 * np.cos(y) * np.cos(x) + 300 * (noise[:, 1, :, 1:] + 0.7 * noise[:, 1, :, :-1])
    planes_tcyx = np.rint(np.stack([100 + dim, 8000 + bright], axis=1)).astype(np.uint16)
    tifffile.imwrite(source, planes_tcyx, ome=True, metadata={"axes": "TCYX", "Channel": {"Name": [*NAMES]}})
    told: list[tuple[str, float, str]] = []
    warnings: list[str] = []
    options = replace(OPTIONS, save_noise_model=folder / "noise.npz", report_folder=folder / "report")
    summary = denoise_file(source, target, options, lambda *progress: told.append(progress), warnings.append)
    return Run(source, target, planes_tcyx, summary, told, warnings)


@pytest.mark.slow
def test_each_channel_is_denoised_as_if_it_were_alone(run: Run, tmp_path: Path) -> None:
    together_tcyx = tifffile.imread(run.target)
    for channel, summary in enumerate(run.summary.channels):
        tifffile.imwrite(tmp_path / "a.tif", run.planes_tcyx[:, channel], photometric="minisblack")
        alone = denoise_file(tmp_path / "a.tif", tmp_path / "b.tif", OPTIONS, nothing)
        np.testing.assert_array_equal(together_tcyx[:, channel], tifffile.imread(tmp_path / "b.tif"))
        assert replace(summary, channel=None) == alone.channels[0]


def test_names_and_axes_survive(run: Run) -> None:
    with tifffile.TiffFile(run.target) as tiff:
        assert tiff.series[0].axes == "TCYX"
        assert all(f'Name="{name}"' in str(tiff.ome_metadata) for name in NAMES)


def test_channels_that_differ_are_told_once_before_the_work(run: Run) -> None:
    told = [text for text in run.warnings if text.startswith("channels differ: the noise of channel 2 is")]
    assert told == run.warnings[:1]


def test_progress_and_warnings_name_the_channel(run: Run) -> None:
    titles = [f"channel {number} of 2 ({name})" for number, name in enumerate(NAMES, start=1)]
    # The noise of the second channel correlates: it alone has networks that are trained from nothing.
    both = dict.fromkeys(("noise_model", "predict"), titles)
    for stage, told_titles in (both | {"n2v": titles[1:], "pn2v": titles[1:], "distil": titles[:1]}).items():
        told = [(fraction, status) for name, fraction, status in run.told if name == stage]
        assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
        assert told[-1][0] == 1.0
        for title in told_titles:
            assert any(status.startswith(f"{title}: ") for _, status in told)
    # Networks of eight steps are told to be wrong, too.
    (warning,) = (each for each in run.warnings if "is correlated" in each)
    assert warning.startswith(f"{titles[1]}: the noise of neighbouring pixels is correlated along x")
    assert run.summary.warnings == tuple(run.warnings)


def test_each_channel_has_its_lines_noise_model_and_picture(run: Run) -> None:
    folder = run.target.parent
    assert [path.name for path in run.summary.written] == [
        "denoised.ome.tif",
        "noise_c0.npz",
        "noise_c1.npz",
        "report_c0.png",
        "report_c1.png",
        "report.json",
        "trust-preview.png",
    ]
    for channel, summary in enumerate(run.summary.channels):
        saved = read_published((folder / f"noise_c{channel}.npz").read_bytes())
        assert saved.signal_max_adu == pytest.approx(summary.noise_model["signal_max_adu"])
    lines = [text for title, text in run.summary.lines() if title in {"estimate", "noise model"}]
    assert [text.partition(":")[0] for text in lines] == [
        f"channel {number} of 2 ({name})" for number, name in enumerate(NAMES, start=1) for _ in range(2)
    ]
    record = json.loads((folder / "report/report.json").read_text("utf-8"))
    assert [(each["channel"], each["name"]) for each in record["channels"]] == [*enumerate(NAMES)]
    assert record["channels"][1]["noise_correlation"]["x"] > 0.3
    assert "estimate" not in record


@pytest.mark.slow
def test_a_noise_model_file_serves_all_channels(run: Run, tmp_path: Path) -> None:
    options = replace(OPTIONS, noise_model=run.target.parent / "noise_c0.npz")
    told: list[str] = []
    summary = denoise_file(run.source, tmp_path / "a.tif", options, lambda stage, *_: told.append(stage))
    assert [each.noise_model_origin for each in summary.channels] == ["file", "file"]
    assert summary.channels[0].noise_model == summary.channels[1].noise_model
    assert "noise_model" not in told


def test_an_empty_channel_is_copied_and_told(run: Run, tmp_path: Path) -> None:
    planes_tcyx = run.planes_tcyx.copy()
    planes_tcyx[:, 0] = 11
    tifffile.imwrite(tmp_path / "a.tif", planes_tcyx, imagej=True, metadata={"axes": "TCYX"})
    warnings: list[str] = []
    summary = denoise_file(tmp_path / "a.tif", tmp_path / "b.tif", OPTIONS, nothing, warnings.append)
    result_tcyx = tifffile.imread(tmp_path / "b.tif")
    assert (result_tcyx[:, 0] == 11).all()
    np.testing.assert_array_equal(result_tcyx[:, 1], tifffile.imread(run.target)[:, 1])
    assert [each.channel for each in summary.channels] == [1]
    assert "channel 1 of 2 is empty (one value, or none), so its planes are copied" in warnings


def test_a_noise_model_of_a_channel_does_not_overwrite_an_input(run: Run) -> None:
    given = run.target.parent / "noise_c0.npz"
    options = replace(OPTIONS, noise_model=given, save_noise_model=given.with_name("noise.npz"))
    with pytest.raises(InvalidRequestError, match=r"noise_c0\.npz is an input of this command"):
        denoise_file(run.source, run.target, options, _fail_on_progress)


def _fail_on_progress(stage: str, fraction: float, status: str) -> None:
    pytest.fail(f"something was computed: {stage} {fraction} {status}")


def test_noise_model_files_that_are_not_one_for_each_channel_are_refused(run: Run) -> None:
    given = run.target.parent / "noise_c0.npz"
    options = replace(OPTIONS, noise_model=[given, given, None])
    with pytest.raises(InvalidRequestError, match=r"--noise-model: 3 are named .*2 channels \(0 \(dim\), 1"):
        denoise_file(run.source, run.target, options, _fail_on_progress)
    options = replace(OPTIONS, noise_model=[given, None], save_noise_model=run.target.parent / "noise.npy")
    with pytest.raises(InvalidRequestError, match=r"kind gmm is written as \.npz"):
        denoise_file(run.source, run.target, options, _fail_on_progress)
