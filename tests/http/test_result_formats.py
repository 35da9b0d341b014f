"""Results of jobs as OME-Zarr and OME-TIFF, divided and in one stage."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile
import zarr
from zarr.storage import ZipStore

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application
from tests.support.posted_jobs import TINY, artifact, run, upload
from tests.support.result_files import files_of_images


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stack") / "cells.ome.tif"
    y, x = np.mgrid[:48, :64] / 9
    pixels = np.random.default_rng(3).poisson([60 + 30 * np.sin(y + z) * np.cos(x) for z in range(2)])
    tifffile.imwrite(path, pixels.astype("uint16"), metadata={"axes": "ZYX", "PhysicalSizeZ": 0.3})
    return path


@pytest.fixture(scope="module")
def dividing(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[httpx.Client]:
    """Client of an application that divides even these predictions."""
    folder = tmp_path_factory.mktemp("divided") / "data"
    application = Application(folder, isolation, part_pixels=48 * 64)
    with application.worker(), application.client() as api:
        yield api
    application.close()


@pytest.mark.usefixtures("worker")
def test_an_ome_zarr_is_one_zip_file(
    api: httpx.Client, dividing: httpx.Client, stack: Path, tmp_path: Path
) -> None:
    made = [_as_ome_zarr(client, stack) for client in (api, dividing)]
    archive = tmp_path / "made.ozx"
    for content, expected in made:
        archive.write_bytes(content)
        array = zarr.open_array(ZipStore(archive, mode="r"), path="0", mode="r")
        np.testing.assert_array_equal(np.asarray(array[:]), expected)


def _as_ome_zarr(api: httpx.Client, stack: Path) -> tuple[bytes, np.ndarray]:
    """Denoise a stack; return the OME-Zarr, and the pixels of the same result as TIFF."""
    image_id = upload(api, stack)
    trained = run(api, kind="train", image_ids=[image_id], method="n2v", budget=TINY)
    spec = {
        "kind": "predict",
        "image_ids": [image_id],
        "network": trained["result"]["values"]["network_id"],
        "outputs": ["denoised"],
    }
    job = run(api, **spec, output_format="ome-zarr")
    (made,) = files_of_images(job)
    assert (made["name"], made["media_type"]) == ("cells_denoised.ozx", "application/zip")
    assert api.get(made["href"]).headers["content-type"] == "application/zip"
    same = run(api, **spec, output_compression="deflate")
    expected = tifffile.imread(io.BytesIO(artifact(api, same, "cells_denoised.ome.tif")))
    return artifact(api, job, made["name"]), expected


def test_a_format_that_is_unknown_is_refused(api: httpx.Client, stack: Path) -> None:
    spec = {"kind": "denoise", "image_ids": [upload(api, stack)], "output_format": "hdf5"}
    response = api.post("/v1/jobs", json=spec)
    assert response.status_code == 422
    assert "output_format" in response.json()["detail"]
