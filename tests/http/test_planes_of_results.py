"""Planes of results: those of their image, in its order."""

from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from models_store.contracts.vocabulary import OutputDtype, OutputFormat
from models_store.image_files.results.result_file import ResultOptions
from models_store.repositories.jobs.artifacts import get_artifact
from tests.support.answers import problem
from tests.support.application import Application
from tests.support.posted_jobs import upload
from tests.support.stored_results import store_result
from tests.support.tiles import drawn, store, tile

RNG = np.random.default_rng(5)

FORMATS = [OutputFormat.SAME, OutputFormat.OME_TIFF, OutputFormat.OME_ZARR]


@pytest.mark.parametrize("file_format", FORMATS)
def test_results_have_the_planes_of_their_image_in_its_order(
    application: Application, api: httpx.Client, tmp_path: Path, file_format: OutputFormat
) -> None:
    noisy = RNG.poisson(60, (2, 3, 32, 48)).astype("uint16")
    image = store(api, tmp_path, noisy, ome=True, metadata={"axes": "ZCYX"})
    clean = RNG.normal(60, 5, (6, 32, 48)).astype("float32")
    options = ResultOptions(file_format, OutputDtype.FLOAT32)
    artifact_id = store_result(application, image.split("/")[3], clean, options=options)
    result = f"/v1/artifacts/{artifact_id}/planes"
    assert api.get(result).json() == api.get(image).json()
    for number in (0, 1, 5):
        shown_yx = tile(api, result, number, low=40, high=80)
        np.testing.assert_array_equal(shown_yx, drawn(clean[number], 40, 80))
    removed_yx = noisy[1, 1] - clean[4]
    profile = api.get(f"{result}/4/profile?from_x=0&from_y=8&to_x=47&to_y=8&layer=residual").json()
    np.testing.assert_allclose(profile["values"], removed_yx[8], rtol=1e-5, atol=1e-4)
    found = api.get(f"{result}/4/range?layer=residual").json()
    assert found["minimum"] == pytest.approx(removed_yx.min(), rel=1e-5)
    coloured_yxc = tile(api, result, 4, low=-20, high=20, colours="diverging", layer="residual")
    strong_yx = np.abs(removed_yx) > 2
    redder_yx = coloured_yxc[..., 0].astype(int) > coloured_yxc[..., 2]
    np.testing.assert_array_equal(redder_yx[strong_yx], (removed_yx > 0)[strong_yx])


def test_positions_of_an_ome_zarr_result_are_its_images(
    application: Application, api: httpx.Client, tmp_path: Path
) -> None:
    path = tmp_path / "positions.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tiff:
        for position in RNG.poisson(60, (2, 3, 32, 48)).astype("uint16"):
            tiff.write(position, photometric="minisblack", metadata={"axes": "ZYX"})
    image_id = upload(api, path)
    assert api.get(f"/v1/images/{image_id}/planes").json()["axes"] == "PZYX"
    clean = RNG.normal(60, 5, (6, 32, 48)).astype("float32")
    options = ResultOptions(OutputFormat.OME_ZARR)
    result = f"/v1/artifacts/{store_result(application, image_id, clean, options=options)}/planes"
    for number in (0, 2, 4):
        np.testing.assert_array_equal(
            tile(api, result, number, low=40, high=80), drawn(clean[number], 40, 80)
        )


def test_a_result_outlives_its_image(application: Application, api: httpx.Client, tmp_path: Path) -> None:
    pixels = RNG.poisson(60, (2, 32, 48)).astype("uint16")
    image = store(api, tmp_path, pixels, ome=True, metadata={"axes": "ZYX"})
    clean = pixels.astype("float32") / 2
    result = f"/v1/artifacts/{store_result(application, image.split('/')[3], clean)}/planes"
    before = api.get(result).json()
    assert tile(api, image).shape == (32, 48)
    api.delete(image.removesuffix("/planes")).raise_for_status()
    problem(api.get(f"{image}/0/tiles/0/0_0.png"), 404, "not-found")
    assert api.get(result).json() == before
    np.testing.assert_array_equal(tile(api, result, 1, low=10, high=90), drawn(clean[1], 10, 90))
    told = problem(api.get(f"{result}/0/range?layer=residual"), 404, "not-found")
    assert "has been deleted" in told


def test_other_files_of_jobs_have_no_planes(
    application: Application, api: httpx.Client, tmp_path: Path
) -> None:
    image = store(api, tmp_path, RNG.poisson(60, (32, 48)).astype("uint16"))
    artifact_id = store_result(application, image.split("/")[3], [np.ones((32, 48), np.float32)])
    with application.database.write() as session:
        get_artifact(session, artifact_id).output = None
    told = problem(api.get(f"/v1/artifacts/{artifact_id}/planes"), 404, "not-found")
    assert told.startswith("cells-denoised.tif is no image")
