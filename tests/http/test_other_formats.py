"""Imaris, MRC, SPE and SIF files over HTTP and on the command line: header, job and result."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def ims(path: Path) -> NDArray[np.number[Any]]:
    pixels = noisy(1, 1, 2, 48, 64)
    write_ims(path, pixels, (0.1, 0.1, 0.5), ("DAPI",))
    return pixels.reshape(2, 48, 64)


def mrc(path: Path) -> NDArray[np.number[Any]]:
    pixels = noisy(2, 48, 64)
    with mrcfile.new(path) as file:
        file.set_data(pixels)
        file.voxel_size = (1000, 1000, 5000)  # Angstrom along X, Y and Z
    return pixels


def spe(path: Path) -> NDArray[np.number[Any]]:
    pixels = noisy(2, 48, 64)
    write_spe(path, pixels)
    return pixels


def sif(path: Path) -> NDArray[np.number[Any]]:
    pixels = noisy(2, 48, 64).astype("float32")
    write_sif(path, pixels)
    return pixels


FORMATS = {
    ims: ("ZYX", 'PhysicalSizeX="0.1"'),
    mrc: ("ZYX", 'PhysicalSizeZ="0.5"'),
    spe: ("TYX", 'SizeT="2"'),
    sif: ("TYX", 'TimeIncrement="0.05"'),
}


def upload(api: httpx.Client, name: str, content: bytes) -> httpx.Response:
    return api.post("/v1/images", params={"filename": name}, content=content)


@pytest.mark.usefixtures("worker")
def test_uploads_of_all_formats_are_denoised(api: httpx.Client, tmp_path: Path) -> None:
    pixels, image_ids = {}, []
    for write, (axes, _) in FORMATS.items():
        path = tmp_path / f"cells_{write.__name__}.{write.__name__}"
        pixels[write] = write(path)
        response = upload(api, path.name, path.read_bytes())
        assert response.status_code == 201, response.text
        header = response.json()["header"]
        assert (header["file_kind"], header["axes"], header["shape"]) == (write.__name__, axes, [2, 48, 64])
        image_ids.append(response.json()["id"])
    job = run(api, kind="denoise", image_ids=image_ids, preset="instant", outputs=["denoised"])
    for write, (axes, told) in FORMATS.items():
        result = artifact(api, job, f"cells_{write.__name__}_denoised.ome.tif")
        with tifffile.TiffFile(io.BytesIO(result)) as tiff:
            assert (tiff.series[0].axes, tiff.series[0].shape) == (axes, (2, 48, 64))
            assert told in (tiff.ome_metadata or "")
            denoised = tiff.asarray()
        assert np.std(np.diff(denoised)) < np.std(np.diff(pixels[write].astype("f8")))


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_half_of_a_file_is_refused(
    api: httpx.Client, tmp_path: Path, write: Callable[[Path], NDArray[np.number[Any]]]
) -> None:
    path = tmp_path / f"cells.{write.__name__}"
    write(path)
    half = path.read_bytes()[: path.stat().st_size // 2]
    problem(upload(api, path.name, half), 422, "image-corrupt")


@pytest.mark.slow
def test_a_real_sif_is_denoised_by_a_command(test_data: Path, tmp_path: Path) -> None:
    source, result = test_data / "vendor" / "sif_image.sif", tmp_path / "out.ome.tif"
    clearscope("denoise", source, result, "--preset", "instant", "--device", "cpu")
    with tifffile.TiffFile(result) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("YX", (512, 512))
