"""Imaris, MRC, SPE and SIF files over HTTP and on the command line: header, job and result."""

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import mrcfile
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from tests.support.answers import problem
from tests.support.commands import clearscope
from tests.support.imaris_files import write_ims
from tests.support.posted_jobs import artifact, run
from tests.support.sif_files import write_sif
from tests.support.spe_files import write_spe
from tests.support.tiff_sets import noisy


def ims(path: Path) -> NDArray[np.generic]:
    pixels = noisy(1, 2, 1, 48, 64)
    write_ims(path, pixels, (0.1, 0.1, 0.5), ("DAPI", "GFP"))
    return pixels[0, :, 0]


def mrc(path: Path) -> NDArray[np.generic]:
    pixels = noisy(2, 48, 64)
    with mrcfile.new(path) as file:
        file.set_data(pixels)
        file.voxel_size = (1000, 1000, 5000)  # Angstrom along X, Y and Z
    return pixels


def spe(path: Path) -> NDArray[np.generic]:
    pixels = noisy(2, 48, 64)
    write_spe(path, pixels)
    return pixels


def sif(path: Path) -> NDArray[np.generic]:
    pixels = noisy(2, 48, 64).astype("float32")
    write_sif(path, pixels)
    return pixels


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("write", "axes", "told"),
    [
        (ims, "CYX", 'PhysicalSizeX="0.1"'),
        (mrc, "ZYX", 'PhysicalSizeZ="0.5"'),
        (spe, "TYX", 'SizeT="2"'),
        (sif, "TYX", 'TimeIncrement="0.05"'),
    ],
    ids=["ims", "mrc", "spe", "sif"],
)
def test_an_upload_is_denoised(
    api: httpx.Client, tmp_path: Path, write: Callable[[Path], NDArray[np.generic]], axes: str, told: str
) -> None:
    kind = write.__name__
    path = tmp_path / f"cells.{kind}"
    pixels = write(path)
    response = api.post("/v1/images", params={"filename": path.name}, content=path.read_bytes())
    assert response.status_code == 201, response.text
    document = response.json()
    header = document["header"]
    assert (header["file_kind"], header["axes"], header["shape"]) == (kind, axes, list(pixels.shape))
    job = run(api, kind="denoise", image_ids=[document["id"]], preset="instant", outputs=["denoised"])
    with tifffile.TiffFile(io.BytesIO(artifact(api, job, "cells_denoised.ome.tif"))) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == (axes, pixels.shape)
        assert told in (tiff.ome_metadata or "")
        denoised = tiff.asarray()
    assert np.std(np.diff(denoised)) < np.std(np.diff(pixels.astype("f8")))
    half = path.read_bytes()[: path.stat().st_size // 2]
    refused = api.post("/v1/images", params={"filename": path.name}, content=half)
    problem(refused, 422, "image-corrupt")


def test_a_real_sif_is_denoised_by_a_command(test_data: Path, tmp_path: Path) -> None:
    source, result = test_data / "vendor" / "sif_image.sif", tmp_path / "out.ome.tif"
    clearscope("denoise", source, result, "--preset", "instant", "--device", "cpu")
    with tifffile.TiffFile(result) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("YX", (512, 512))
