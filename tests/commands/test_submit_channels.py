"""`clearscope submit` against a real server: a result line for each channel."""

from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.commands import clearscope
from tests.support.dyes import planes_of_dyes, write_dyes
from tests.support.lif_files import LifImage, write_lif
from tests.support.published_files import import_model
from tests.support.server_process import ServerProcess

INSTANT = ("--preset", "instant", "--microscope", "Scope", "--wait")


@pytest.fixture(scope="module")
def dyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of three channels, the last of which is empty."""
    planes_tcyx = planes_of_dyes()
    planes_tcyx[:, 2] = 11
    path = tmp_path_factory.mktemp("dyes") / "dyes.ome.tif"
    write_dyes(path, planes_tcyx)
    return path


def of_title(output: str, title: str) -> list[str]:
    lines = (line for line in output.splitlines() if line.startswith(f"{title} "))
    return [line.removeprefix(title).strip() for line in lines]


def test_submit_prints_the_lines_of_each_channel(
    api: httpx.Client, server: ServerProcess, dyes: Path, tmp_path: Path
) -> None:
    api.post("/v1/microscopes", json={"name": "Scope"}).raise_for_status()
    named = import_model(api, microscope="Scope", channel="GFP")["id"]
    options = ("--server", server.url, *INSTANT, "--output", tmp_path, "--reuse", "none")
    noise_models = (word for each in ("none", named, "none") for word in ("--noise-model", each))
    output = clearscope("submit", dyes, *options, *noise_models, "--force")
    bootstrapped, imported = of_title(output, "noise model")
    assert bootstrapped.startswith("channel 1 of 3 (DAPI): bootstrap, ")
    assert imported == f"channel 2 of 3 (GFP): import, 1 Gaussians, signals 100 to 4000 ADU, {named}"
    assert [text.partition(": ")[0] for text in of_title(output, "estimate")] == [
        "channel 1 of 3 (DAPI)",
        "channel 2 of 3 (GFP)",
    ]
    empty = "channel 3 of 3 (Cy5) is empty (one value, or none), so its planes are copied"
    assert empty in of_title(output, "warning")
    assert (tifffile.imread(tmp_path / "dyes_denoised.ome.tif")[:, 2] == 11).all()
    refused = clearscope("submit", dyes, *options, "--noise-model", named, "--noise-model", named, code=1)
    assert "noise_model: 2 are named for image" in refused


def test_submit_denoises_the_series_that_it_is_given(
    api: httpx.Client, server: ServerProcess, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).poisson(60, (2, 48, 64)).astype(np.uint8)
    scans = [LifImage(f"scan {n}", "YX", pixels[n], {"X": 0.1, "Y": 0.1}) for n in range(2)]
    source = write_lif(tmp_path / "scans.lif", scans)
    options = ("--server", server.url, "--preset", "instant", "--series")
    refused = clearscope("submit", source, *options, "2", code=1)
    assert "series: image " in refused
    assert "has no number 2; name some of 0, 1" in refused
    output = clearscope("submit", source, *options, "1", "--wait", "--output", tmp_path)
    assert (tmp_path / "scans_s1_experiment-scan-1_denoised.ome.tif").is_file(), output
    job = api.get("/v1/jobs").json()[0]
    (image_id,) = job["spec"]["image_ids"]
    assert api.get(f"/v1/images/{image_id}").json()["header"]["series"] == 1


def test_submit_prints_the_lines_of_an_image_with_a_single_channel(
    server: ServerProcess, noisy_tiff: Path, tmp_path: Path
) -> None:
    output = clearscope("submit", noisy_tiff, "--server", server.url, *INSTANT, "--output", tmp_path)
    assert of_title(output, "estimate")[0].startswith("pretrained: ")
    assert of_title(output, "noise model")[0].startswith("bootstrap, ")
    assert np.isfinite(tifffile.imread(tmp_path / "noisy_denoised.tif")).all()
