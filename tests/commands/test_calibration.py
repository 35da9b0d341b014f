"""`clearscope fit-noise-model` and `clearscope calibrate`."""

import json
import sys
from pathlib import Path
from unittest.mock import Mock

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.commands import clearscope
from tests.support.ndtiff_files import Plane, ndtiff_folder
from tests.support.peak_memory import peak_mb
from tests.support.server_process import ServerProcess
from tests.support.tiff_sets import unpacked
from worker.offline.calibration import fit_noise_model_to_files


def fit(frames: Path, target: Path) -> None:
    fit_noise_model_to_files([frames], target.with_suffix(".npz"), images=[], seed=0, on_progress=Mock())
    target.touch()


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    photons = np.outer(np.linspace(1, 80, 96), np.linspace(0.5, 1, 80))
    stack = np.rint(100 + 2 * rng.poisson(photons, (12, *photons.shape)) + rng.normal(0, 2, (12, 96, 80)))
    path = tmp_path / "calibration.tif"
    tifffile.imwrite(path, stack.astype(np.uint16), photometric="minisblack")
    return path


def test_a_calibration_becomes_a_file_of_the_published_format(
    calibration: Path, noisy_tiff: Path, tmp_path: Path
) -> None:
    made = tmp_path / "camera.npz"
    fitted = clearscope("fit-noise-model", calibration, "--output", made, "--image", noisy_tiff, "--json")
    record = json.loads(fitted[fitted.index("{") :])
    assert record["verdict"] == "good"
    assert record["scenes"][0]["frames"] == 12
    assert record["coverage"]["above"] < 0.01
    with np.load(made) as archive:
        assert set(archive) >= {"trained_weight", "min_signal", "max_signal", "min_sigma"}


def as_folder(path: Path) -> Path:
    """Return a folder of NDTiff with the frames of a TIFF."""
    frames = np.atleast_3d(tifffile.imread(path).T).T
    planes = [Plane({"time": t}, frame) for t, frame in enumerate(frames)]
    return unpacked(path.with_suffix(""), ndtiff_folder(planes))


@pytest.mark.slow
def test_folders_of_image_sets_make_the_same_noise_model(calibration: Path, tmp_path: Path) -> None:
    of_file, of_folder = tmp_path / "file.npz", tmp_path / "folder.npz"
    fit(calibration, of_file)
    fitted = clearscope("fit-noise-model", as_folder(calibration), "--output", of_folder)
    assert "calibration: 12 frames" in fitted
    with np.load(of_file) as expected, np.load(of_folder) as made:
        np.testing.assert_array_equal(made["trained_weight"], expected["trained_weight"])


def test_a_histogram_is_written_as_npy(calibration: Path, tmp_path: Path) -> None:
    made = tmp_path / "camera.npy"
    fitted = clearscope("fit-noise-model", calibration, "--output", made)
    assert "calibration.tif: 12 frames" in fitted
    assert np.load(made, allow_pickle=False).shape == (3, 256, 256)


def test_files_that_are_no_calibration_are_refused_in_one_line(
    calibration: Path, noisy_tiff: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.tif"
    text.write_text("no image", encoding="utf-8")
    for arguments, complaint in [
        ((noisy_tiff, "--output", tmp_path / "camera.npz"), "at least 2 frames"),
        ((calibration, text, "--output", tmp_path / "camera.npz"), "text.tif: "),
        ((calibration, "--output", tmp_path / "camera.txt"), ".npz for a gmm"),
    ]:
        refused = clearscope("fit-noise-model", *arguments, code=1)
        assert complaint in refused
        assert refused.count("\n") == 1, refused
    assert not (tmp_path / "camera.npz").exists()


def test_a_server_is_calibrated_from_the_command_line(
    server: ServerProcess, api: httpx.Client, calibration: Path, noisy_tiff: Path
) -> None:
    dark = calibration.with_name("dark.tif")
    stack = np.rint(np.random.default_rng(0).normal(100, 3, (8, 64, 64))).astype(np.uint16)
    tifffile.imwrite(dark, stack, photometric="minisblack")
    calibrated = clearscope(
        "calibrate",
        calibration,
        "--dark",
        dark,
        *(
            "--microscope",
            "Scope 1",
            "--profile",
            "EM gain 300",
            "--image",
            as_folder(noisy_tiff),
            "--server",
            server.url,
        ),
    )
    (noise_model,) = api.get("/v1/noise-models", params={"microscope": "Scope 1"}).json()
    assert noise_model["origin"] == "calibration"
    assert noise_model["id"] in calibrated
    assert noise_model["belongs_to"]["profile"] == "EM gain 300"
    offset = noise_model["fit_quality"]["camera"]["figures"]["offset"]
    assert (offset["how"], offset["value"]) == ("dark frames", pytest.approx(100, abs=0.2))
    text = calibration.with_name("text.tif")
    text.write_text("no image", encoding="utf-8")
    for frames, complaint in [((noisy_tiff,), "at least 2 frames"), ((calibration, text), "text.tif: ")]:
        failed = clearscope("calibrate", *frames, "--microscope", "Scope 1", "--server", server.url, code=1)
        assert complaint in failed


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_a_calibration_larger_than_memory_could_be_fitted(tmp_path: Path) -> None:
    few, many = (peak_mb(fit, tmp_path, (frames, 512, 512)) for frames in (10, 200))
    assert many - few < 30  # all frames together take 105 MB, 420 MB as float64
