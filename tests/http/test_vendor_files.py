"""Files of vendors over HTTP: upload with a choice of the image, preview, survey, job and result."""

import io
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.answers import problem
from tests.support.lif_files import LifImage, write_lif
from tests.support.posted_jobs import artifact, run

STEP_UM = {"X": 0.1, "Y": 0.1}


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LIF file of two images; the second has two channels."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:48, :64] / 9
    signal_cyx = np.stack([60 + 30 * np.sin(y) * np.cos(x), 40 + 20 * np.cos(y + x)])
    one_yx, two_cyx = (rng.poisson(signal).astype(np.uint8) for signal in (signal_cyx[0], signal_cyx))
    return write_lif(
        tmp_path_factory.mktemp("scans") / "scans.lif",
        [
            LifImage("overview", "YX", one_yx, STEP_UM),
            LifImage("cells", "CYX", two_cyx, STEP_UM, ("Green", "Red")),
        ],
    )


def upload(api: httpx.Client, path: Path, **query: int) -> httpx.Response:
    return api.post("/v1/images", params={"filename": path.name, **query}, content=path.read_bytes())


@pytest.mark.usefixtures("worker")
def test_one_of_several_images_is_denoised(api: httpx.Client, scans: Path) -> None:
    response = upload(api, scans, series=1)
    assert response.status_code == 201, response.text
    document = response.json()
    header = document["header"]
    assert (header["file_kind"], header["series"], header["axes"]) == ("lif", 1, "CYX")
    assert [(each["index"], each["name"], each["shape"]) for each in header["series_in_file"]] == [
        (0, "experiment/overview", [48, 64]),
        (1, "experiment/cells", [2, 48, 64]),
    ]
    assert document["survey"] is not None
    assert api.get(document["preview_href"]).content.startswith(b"\x89PNG")
    assert api.get(document["content_href"]).content == scans.read_bytes()
    job = run(api, kind="denoise", image_ids=[document["id"]], preset="instant", outputs=["denoised"])
    result = artifact(api, job, "scans_s1_experiment-cells_denoised.ome.tif")
    with tifffile.TiffFile(io.BytesIO(result)) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("CYX", (2, 48, 64))
        assert 'Name="Green"' in (tiff.ome_metadata or "")
        assert 'PhysicalSizeX="0.1" PhysicalSizeXUnit="µm"' in (tiff.ome_metadata or "")


@pytest.mark.parametrize(("series", "code"), [(2, "image-series"), (-1, "invalid-request")])
def test_a_series_that_is_not_there_is_refused(
    api: httpx.Client, scans: Path, series: int, code: str
) -> None:
    detail = problem(upload(api, scans, series=series), 422, code)
    if series > 0:
        assert "0 is 'experiment/overview', YX 48 x 64; 1 is 'experiment/cells', CYX 2 x 48 x 64" in detail


def test_another_series_is_another_upload(api: httpx.Client, scans: Path) -> None:
    def send(series: int) -> httpx.Response:
        query: dict[str, str | int] = {"filename": "scans.lif", "series": series}
        headers = {"Idempotency-Key": "scans"}
        return api.post("/v1/images", params=query, content=scans.read_bytes(), headers=headers)

    first = send(0)
    assert send(0).json()["id"] == first.json()["id"]
    problem(send(1), 422, "idempotency-mismatch")


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
def test_a_czi_file_of_a_microscope_is_denoised(api: httpx.Client, test_data: Path) -> None:
    response = upload(api, test_data / "vendor" / "czi_WellD6-7_S2.czi", series=1)
    assert response.status_code == 201, response.text
    job = run(api, kind="denoise", image_ids=[response.json()["id"]], preset="instant", outputs=["denoised"])
    with tifffile.TiffFile(io.BytesIO(artifact(api, job, "czi_WellD6-7_S2_s1_D7_denoised.ome.tif"))) as tiff:
        assert tiff.series[0].shape == (440, 544)
        assert 'Image ID="Image:0" Name="D7"' in (tiff.ome_metadata or "")
