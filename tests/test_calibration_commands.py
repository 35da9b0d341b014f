"""`clearscope fit-noise-model` and `clearscope calibrate`."""

import json
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from tests.peak_memory import peak_mb
from tests.server_process import CLEARSCOPE, ServerProcess

FIT = """
from worker.offline.calibration import fit_noise_model_to_files
frames, target = map(Path, sys.argv[1:])
fit_noise_model_to_files([frames], target.with_suffix(".npz"), images=[], seed=0, on_frame=lambda *told: None)
target.touch()
"""


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    rng = np.random.default_rng(4)
    photons = np.outer(np.linspace(1, 80, 96), np.linspace(0.5, 1, 80))
    stack = np.rint(100 + 2 * rng.poisson(photons, (12, *photons.shape)) + rng.normal(0, 2, (12, 96, 80)))
    path = tmp_path / "calibration.tif"
    tifffile.imwrite(path, stack.astype(np.uint16), photometric="minisblack")
    return path


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [CLEARSCOPE, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=240
    )


def test_a_calibration_becomes_a_file_of_the_published_format(
    calibration: Path, noisy_tiff: Path, tmp_path: Path
) -> None:
    made = tmp_path / "camera.npz"
    fitted = run("fit-noise-model", calibration, "--output", made, "--image", noisy_tiff, "--json")
    assert fitted.returncode == 0, fitted.stderr
    record = json.loads(fitted.stdout)
    assert record["verdict"] == "good"
    assert record["scenes"][0]["frames"] == 12
    assert record["coverage"]["above"] < 0.01
    with np.load(made) as archive:
        assert set(archive) >= {"trained_weight", "min_signal", "max_signal", "min_sigma"}


def test_a_histogram_is_written_as_npy(calibration: Path, tmp_path: Path) -> None:
    made = tmp_path / "camera.npy"
    fitted = run("fit-noise-model", calibration, "--output", made)
    assert fitted.returncode == 0, fitted.stderr
    assert "calibration.tif: 12 frames" in fitted.stdout
    assert np.load(made, allow_pickle=False).shape == (3, 256, 256)


def test_what_is_no_calibration_is_refused_in_one_line(
    calibration: Path, noisy_tiff: Path, tmp_path: Path
) -> None:
    text = tmp_path / "text.tif"
    text.write_text("no image", encoding="utf-8")
    for arguments, complaint in [
        ((noisy_tiff, "--output", tmp_path / "camera.npz"), "at least 2 frames"),
        ((calibration, text, "--output", tmp_path / "camera.npz"), "text.tif: "),
        ((calibration, "--output", tmp_path / "camera.txt"), ".npz for a gmm"),
    ]:
        refused = run("fit-noise-model", *arguments)
        assert refused.returncode == 1
        assert complaint in refused.stderr
        assert refused.stderr.count("\n") == 1, refused.stderr
    assert not (tmp_path / "camera.npz").exists()


def test_a_server_is_calibrated_from_the_command_line(
    server: ServerProcess, api: httpx.Client, calibration: Path, noisy_tiff: Path
) -> None:
    calibrated = run(
        "calibrate",
        calibration,
        *(
            "--microscope",
            "Scope 1",
            "--profile",
            "EM gain 300",
            "--image",
            noisy_tiff,
            "--server",
            server.url,
        ),
    )
    assert calibrated.returncode == 0, calibrated.stderr
    (noise_model,) = api.get("/v1/noise-models", params={"microscope": "Scope 1"}).json()
    assert noise_model["origin"] == "calibration"
    assert noise_model["id"] in calibrated.stdout
    assert noise_model["belongs_to"]["profile"] == "EM gain 300"
    text = calibration.with_name("text.tif")
    text.write_text("no image", encoding="utf-8")
    for frames, complaint in [((noisy_tiff,), "at least 2 frames"), ((calibration, text), "text.tif: ")]:
        failed = run("calibrate", *frames, "--microscope", "Scope 1", "--server", server.url)
        assert failed.returncode == 1
        assert complaint in failed.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.slow
def test_a_calibration_larger_than_memory_could_be_fitted(tmp_path: Path) -> None:
    few, many = (peak_mb(FIT, tmp_path, (frames, 512, 512)) for frames in (10, 200))
    assert many - few < 30  # all frames together are 105 MB, 420 MB as float64
