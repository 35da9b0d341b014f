"""Sets of TIFF files over HTTP: one upload of a ZIP archive, and its result."""

import io
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.answers import problem
from tests.support.posted_jobs import artifact, run
from tests.support.tiff_sets import COMPANION, noisy, ome_set, zipped

PIXELS = noisy(1, 3, 1, 48, 64)  # T Z C Y X


def upload(api: httpx.Client, path: Path) -> httpx.Response:
    return api.post("/v1/images", params={"filename": path.name}, content=path.read_bytes())


@pytest.mark.usefixtures("worker")
def test_an_uploaded_set_is_denoised_as_one_image(api: httpx.Client, tmp_path: Path) -> None:
    path = zipped(tmp_path / "cells.zip", ome_set(PIXELS))
    response = upload(api, path)
    assert response.status_code == 201, response.text
    document = response.json()
    assert (document["header"]["axes"], document["header"]["shape"]) == ("ZYX", [3, 48, 64])
    assert api.get(document["content_href"]).content == path.read_bytes()
    job = run(api, kind="denoise", image_ids=[document["id"]], preset="instant", outputs=["denoised"])
    with tifffile.TiffFile(io.BytesIO(artifact(api, job, "cells_denoised.ome.tif"))) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("ZYX", (3, 48, 64))
        xml = tiff.ome_metadata or ""
        denoised = tiff.asarray()
    assert 'PhysicalSizeZ="0.7"' in xml
    assert "plane_" not in xml
    assert np.std(denoised[0] - denoised[0].mean()) < np.std(PIXELS[0, 0, 0] - PIXELS[0, 0, 0].mean())


def test_a_set_without_its_companion_is_refused_with_its_name(api: httpx.Client, tmp_path: Path) -> None:
    files = ome_set(PIXELS)
    companion = files.pop(COMPANION)
    refusal = problem(upload(api, zipped(tmp_path / "cells.zip", files)), 422, "image-corrupt")
    assert f"'{COMPANION}' describes, which is missing; add it" in refusal
    alone = tmp_path / COMPANION
    alone.write_bytes(companion)
    refusal = problem(upload(api, alone), 415, "image-unsupported")
    assert "pack all files of the set, with it, into one ZIP archive" in refusal
