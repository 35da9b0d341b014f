"""Commands with files of several images: all of them, or those that are asked for."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

import worker.engine.networks
from tests.support.commands import clearscope
from tests.support.lif_files import LifImage, write_lif

INSTANT = ("--preset", "instant", "--device", "cpu")
PRETRAINED = Path(worker.engine.networks.__path__[0]) / "all_specimens.safetensors"
STEP_UM = {"X": 0.1, "Y": 0.1}
SHAPE_YX = (48, 64)


def photons_yx() -> NDArray[np.float64]:
    y, x = np.mgrid[: SHAPE_YX[0], : SHAPE_YX[1]] / 9
    return np.asarray(60 + 30 * np.sin(y) * np.cos(x))


def scan(name: str, seed: int, gain: int = 1) -> LifImage:
    pixels = gain * np.random.default_rng(seed).poisson(photons_yx() / gain)
    return LifImage(name, "YX", pixels.astype(np.uint16), STEP_UM)


SCANS = [
    scan("a", 0),
    scan("b", 1, gain=9),
    LifImage("small", "YX", np.ones((8, 8), np.uint16), STEP_UM),
    scan("c", 2),
    LifImage("empty", "YX", np.full(SHAPE_YX, 7, np.uint16), STEP_UM),
]


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return write_lif(tmp_path / "scans.lif", SCANS)


def written(output: str) -> list[str]:
    lines = [line.split(maxsplit=1) for line in output.splitlines()]
    return [Path(words[1]).name for words in lines if words and words[0] == "written"]


def test_denoise_writes_a_file_for_each_image_of_a_file(scans: Path, tmp_path: Path) -> None:
    target, noise_model = tmp_path / "out.ome.tif", tmp_path / "noise.npz"
    output = clearscope("denoise", scans, target, *INSTANT, "--save-noise-model", noise_model)
    # Images of another detector setting have a noise model of their own.
    assert written(output) == [
        *("out_s0.ome.tif", "out_s3.ome.tif", "noise_s0.npz"),
        *("out_s1.ome.tif", "noise_s1.npz"),
    ]
    assert "series 4 is left out: all pixels have the same value (7)" in output
    assert {path.name for path in tmp_path.iterdir()} == {scans.name, *written(output)}
    for number in (0, 1, 3):
        path = tmp_path / f"out_s{number}.ome.tif"
        error = np.abs(tifffile.imread(path).astype(np.float64) - photons_yx()).mean()
        assert error < 0.5 * np.abs(SCANS[number].pixels - photons_yx()).mean()
        with tifffile.TiffFile(path) as tiff:
            assert f"experiment/{SCANS[number].name}" in (tiff.ome_metadata or "")


def test_predict_takes_the_images_that_it_is_asked_for(scans: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.tif"
    options = ("--network", PRETRAINED, "--device", "cpu")
    output = clearscope("predict", scans, target, *options, "--series", "3", "--series", "0")
    assert written(output) == ["out_s3.tif", "out_s0.tif"]
    assert not target.exists()


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ((1, 7), "there is no series 7: the file holds 5 images: 0 is 'experiment/a', YX 48 x 64; 1 is"),
        ((1, 1), "--series: each number may be named only once"),
        ((0, 4), "all pixels have the same value (7); there is nothing to denoise"),
    ],
)
def test_what_cannot_be_denoised_is_refused_if_it_is_asked_for(
    scans: Path, tmp_path: Path, asked: tuple[int, ...], problem: str
) -> None:
    numbers = [word for number in asked for word in ("--series", str(number))]
    refused = clearscope("denoise", scans, tmp_path / "out.tif", *INSTANT, *numbers, code=1)
    assert problem in refused
    assert list(tmp_path.iterdir()) == [scans]


def test_evaluate_scores_the_image_that_it_is_asked_for(scans: Path, tmp_path: Path) -> None:
    truth, result = tmp_path / "truth.tif", tmp_path / "result.tif"
    tifffile.imwrite(truth, photons_yx().astype(np.float32))
    tifffile.imwrite(result, SCANS[3].pixels)
    options = ("--ground-truth", truth, "--json", "--series")
    scores = []
    for series in ("3", "1"):
        output = clearscope("evaluate", f"lif={scans}", f"tif={result}", *options, series)
        scores.append([row["psnr_db"]["mean"] for row in json.loads(output[output.index("\n[\n") :])])
    assert scores[0][0] == scores[0][1]
    assert scores[1][0] < scores[1][1]
    refused = clearscope("evaluate", result, *options, "3", code=1)
    assert f"--series: {truth} holds a single image; leave the option out" in refused


def test_calibration_frames_are_those_of_the_image_that_is_asked_for(tmp_path: Path) -> None:
    levels = np.linspace(20, 200, 64).astype(np.float32)
    frames = np.random.default_rng(0).poisson(np.broadcast_to(levels, (24, 48, 64))).astype(np.uint16)
    images = [scan("cells", 0), LifImage("frames", "TYX", frames, STEP_UM)]
    source, target = write_lif(tmp_path / "scans.lif", images), tmp_path / "noise.npz"
    command = ("fit-noise-model", source, "--output", target)
    assert "name one of the file's images by its number, as series" in clearscope(*command, code=1)
    assert "24 frames, " in clearscope(*command, "--series", "1")


def test_training_takes_one_image_of_a_file(scans: Path, tmp_path: Path) -> None:
    command = ("train", scans, "--method", "n2v", "--output", tmp_path / "n2v.safetensors")
    assert "name one of the file's images by its number, as series" in clearscope(*command, code=1)
    assert "there is no series 9" in clearscope("pretrain", tmp_path / "p", scans, "--series", "9", code=1)
