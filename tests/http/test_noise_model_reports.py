"""All that is known of a noise model, as JSON and as a page to read, over HTTP."""

import base64
import io
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.support.answers import problem
from tests.support.application import Application
from tests.support.posted_jobs import run, upload
from tests.support.published_files import histogram_npy, import_model
from tests.support.textures import texture

pytestmark = pytest.mark.usefixtures("worker")

SCOPE = "Scope"
GAIN_ADU, READ_ADU = 2.0, 3.0


@pytest.fixture(scope="module")
def noise_model_id(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A bootstrapped noise model whose profile has an imported one too."""
    api.post("/v1/microscopes", json={"name": SCOPE}).raise_for_status()
    rng = np.random.default_rng(21)
    photons_yx = texture(60, 6.0, seed=1, size_px=128)
    noisy_yx = 100 + GAIN_ADU * rng.poisson(photons_yx) + rng.normal(0, READ_ADU, photons_yx.shape)
    path = tmp_path_factory.mktemp("image") / "cell.tif"
    tifffile.imwrite(path, np.rint(noisy_yx).astype(np.uint16))
    image_id = upload(api, path, microscope=SCOPE)
    job = run(api, kind="bootstrap_noise_model", image_ids=[image_id], network="pretrained")
    import_model(api, microscope=SCOPE)
    made: str = job["result"]["values"]["noise_model_id"]
    return made


@pytest.fixture(scope="module")
def histogram_id(api: httpx.Client) -> str:
    imported = api.post("/v1/noise-models/import", content=histogram_npy())
    found: str = imported.json()["id"]
    return found


def test_the_record_holds_everything(api: httpx.Client, noise_model_id: str) -> None:
    record = api.get(f"/v1/noise-models/{noise_model_id}/record.json").json()
    assert record["noise_model"] == api.get(f"/v1/noise-models/{noise_model_id}").json()
    assert record["parameters"] == record["noise_model"]["parameters"]
    assert record["variance_line"]["gain_adu"] == pytest.approx(GAIN_ADU, rel=0.2)
    pairs = record["pixel_pairs"]
    assert pairs["image_ids"] == [image["id"] for image in record["noise_model"]["images"]]
    curve = pairs["photon_transfer"]
    assert sum(curve["pixels"]) == pairs["pairs"] > 0.95 * 128**2
    assert curve["signal_adu"] == sorted(curve["signal_adu"])
    assert curve["line"]["gain_adu"] == pytest.approx(GAIN_ADU, rel=0.2)
    assert [change["action"] for change in record["history"]] == ["activate", "activate"]
    first, second = record["versions"]
    assert (first["noise_model_id"], first["origin"]) == (noise_model_id, "bootstrap")
    assert first["active"][0]["until"] == second["active"][0]["since"]
    assert second["active"][0]["until"] is None


def test_a_histogram_is_told_with_its_probabilities(api: httpx.Client, histogram_id: str) -> None:
    record = api.get(f"/v1/noise-models/{histogram_id}/record.json").json()
    assert record["parameters"]["kind"] == "histogram"
    packed = zlib.decompress(base64.b64decode(record["parameters"]["probabilities"]))
    assert np.frombuffer(packed, "<f4").tolist() == np.eye(6).ravel().tolist()
    assert (record["pixel_pairs"], record["history"], len(record["versions"])) == (None, [], 1)


@pytest.mark.parametrize("which", ["noise_model_id", "histogram_id"])
def test_a_report_is_a_page_with_the_same_bytes_each_time(
    api: httpx.Client, which: str, request: pytest.FixtureRequest
) -> None:
    path = f"/v1/noise-models/{request.getfixturevalue(which)}/report"
    png, again = (api.get(f"{path}.png") for _ in range(2))
    assert (png.headers["content-type"], png.content) == ("image/png", again.content)
    page = Image.open(io.BytesIO(png.content))
    assert page.height / page.width == pytest.approx(2**0.5, rel=0.01)
    svg = api.get(f"{path}.svg")
    assert svg.headers["content-type"] == "image/svg+xml"
    assert svg.content == api.get(f"{path}.svg").content
    for text in ("Photon transfer curve", "signal (ADU)", "variance of the noise (ADU²)", "gain (ADU/e-)"):
        assert text in svg.text


def test_a_report_is_sent_again_only_if_it_has_changed(api: httpx.Client, noise_model_id: str) -> None:
    path = f"/v1/noise-models/{noise_model_id}/report.png"
    etag = api.get(path).headers["etag"]
    unchanged = api.get(path, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    api.post(f"/v1/noise-models/{noise_model_id}/activate").raise_for_status()
    changed = api.get(path, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def test_a_report_without_its_counts_tells_the_rest(
    application: Application, api: httpx.Client, noise_model_id: str
) -> None:
    for path in (application.settings.data_dir / "blobs").rglob("pixel_pairs.npz"):
        Path(path).unlink()
    record = api.get(f"/v1/noise-models/{noise_model_id}/record.json").json()
    assert record["pixel_pairs"]["photon_transfer"] is None
    assert api.get(f"/v1/noise-models/{noise_model_id}/report.png").status_code == 200


def test_reports_are_seen_by_those_who_see_the_noise_model(
    application: Application, api: httpx.Client, noise_model_id: str
) -> None:
    problem(api.get("/v1/noise-models/nm_0/report.svg"), 404, "not-found")
    api.post("/v1/microscopes", json={"name": "Elsewhere"}).raise_for_status()
    for microscope, status in ((SCOPE, 200), ("Elsewhere", 404)):
        key = application.make_key(f"reader of {microscope}", "read", microscopes=[microscope])
        with application.client(key) as client:
            for name in ("record.json", "report.png", "report.svg"):
                answer = client.get(f"/v1/noise-models/{noise_model_id}/{name}")
                assert answer.status_code == status
