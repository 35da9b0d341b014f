"""OME-Zarr over HTTP: an archive is uploaded and denoised; its images are listed; what is missing is told."""

from pathlib import Path

import httpx
import numpy as np
import pytest
import zarr
from zarr.storage import ZipStore

from tests.support.answers import problem
from tests.support.posted_jobs import artifact, run
from tests.support.zarr_files import add_image, attributes_of, described, open_store, write_ome_zarr

RNG = np.random.default_rng(3)
Y, X = np.mgrid[:48, :64] / 9
PIXELS_CYX = RNG.poisson([60 + 30 * np.sin(Y) * np.cos(X), 40 + 20 * np.cos(Y + X)]).astype(np.uint16)


def upload(api: httpx.Client, path: Path, **query: int) -> httpx.Response:
    return api.post("/v1/images", params={"filename": path.name, **query}, content=path.read_bytes())


@pytest.mark.usefixtures("worker")
def test_an_ozx_is_denoised_to_an_ozx(api: httpx.Client, tmp_path: Path) -> None:
    ome = {"omero": {"channels": [{"label": "DAPI", "color": "0000FF"}, {"label": "GFP", "color": "00FF00"}]}}
    path = write_ome_zarr(tmp_path / "cells.ozx", PIXELS_CYX, "cyx", ome=ome, chunks=(1, 32, 32))
    response = upload(api, path)
    assert response.status_code == 201, response.text
    document = response.json()
    header = document["header"]
    assert (header["file_kind"], header["axes"], header["shape"]) == ("ome-zarr", "CYX", [2, 48, 64])
    assert header["channel_names"] == ["DAPI", "GFP"]
    assert document["survey"] is not None
    assert api.get(document["preview_href"]).content.startswith(b"\x89PNG")
    assert api.get(document["content_href"]).content == path.read_bytes()
    job = run(api, kind="denoise", image_ids=[document["id"]], preset="instant", outputs=["denoised"])
    result = tmp_path / "result.ozx"
    result.write_bytes(artifact(api, job, "cells_denoised.ozx"))
    group = zarr.open_group(ZipStore(result, mode="r"), mode="r")
    denoised = group["0"]
    assert isinstance(denoised, zarr.Array)
    assert denoised.shape == (2, 48, 64)
    assert upload(api, result).json()["header"]["channel_names"] == ["DAPI", "GFP"]


def test_the_images_of_an_archive_are_listed_and_one_is_taken(api: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "converted.zip"
    store = open_store(path)
    root = zarr.open_group(store, mode="w", attributes={"ome": {"bioformats2raw.layout": 3}})
    for number, pixels_yx in enumerate(PIXELS_CYX):
        add_image(root.create_group(f"{number}", attributes=attributes_of(3, described("yx"))), pixels_yx)
    store.close()
    header = upload(api, path, series=1).json()["header"]
    assert (header["series"], [each["name"] for each in header["series_in_file"]]) == (1, ["0", "1"])
    detail = problem(upload(api, path, series=2), 422, "image-series")
    assert "0 is '0', YX 48 x 64; 1 is '1', YX 48 x 64" in detail


def test_missing_planes_are_told_and_a_cut_archive_is_refused(api: httpx.Client, tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "stopped.zip", PIXELS_CYX, "tyx", written=[np.s_[0]], chunks=(1, 48, 64))
    document = upload(api, path).json()
    assert document["warnings"][0] == "1 of 2 planes are in the file"
    path.write_bytes(path.read_bytes()[:-30])
    problem(upload(api, path), 422, "image-corrupt")
