"""Images of one uploaded file: who sees them, what they count, and what the sweeper leaves."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest

from models_store.image_files.isolation.client import Isolation
from tests.support.answers import problem
from tests.support.application import Application
from tests.support.lif_files import LifImage, lif_content
from tests.support.ndtiff_files import Plane, ndtiff_folder
from tests.support.tiff_sets import zipped
from worker.upkeep.orphans import clear_orphans

PIXELS = np.random.default_rng(0).poisson(60, (3, 48, 64)).astype(np.uint8)
SCANS = [LifImage(f"scan {n}", "YX", pixels, {"X": 0.1, "Y": 0.1}) for n, pixels in enumerate(PIXELS)]
CONTENT = lif_content(SCANS)


@pytest.fixture(scope="module")
def facility(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Application]:
    application = Application(tmp_path_factory.mktemp("facility") / "data", isolation)
    application.make_key("admin", "admin")
    yield application
    application.close()


def upload(api: httpx.Client, **query: str) -> httpx.Response:
    return api.post("/v1/images", params={"filename": "scans.lif", **query}, content=CONTENT)


def test_a_key_that_is_bound_to_another_microscope_sees_no_image_of_a_file(facility: Application) -> None:
    unbound = facility.make_key("unbound", "admin")
    with facility.client(unbound) as api:
        for name in ("ours", "theirs"):
            api.post("/v1/microscopes", json={"name": name}).raise_for_status()
        own, other = (upload(api, microscope=name).json() for name in ("ours", "theirs"))
    bound = facility.make_key("bound", "admin", microscopes=["ours"])
    with facility.client(bound) as api:
        for each in own["series"]:
            image = api.get(f"/v1/images/{each['image_id']}").json()
            assert image["origin"] == own["origin"]
            assert api.get(image["preview_href"]).is_success
        for each in other["series"]:
            problem(api.get(f"/v1/images/{each['image_id']}"), 404, "not-found")
            problem(api.get(f"/v1/images/{each['image_id']}/preview.png"), 404, "not-found")
        assert api.get("/v1/images", params={"parent": other["id"]}).json() == []
        spec = {"kind": "denoise", "image_ids": [other["id"]]}
        for series in (None, [0]):
            problem(api.post("/v1/jobs", json={**spec, "series": series}), 404, "not-found")


def test_the_bytes_of_a_file_count_once(facility: Application) -> None:
    token = facility.make_key("hoarder", stored_bytes=int(2.5 * len(CONTENT)))
    with facility.client(token) as api:
        assert [upload(api).status_code for _ in range(3)] == [201, 201, 403]


def test_the_sweeper_leaves_a_file_and_previews_that_were_made(tmp_path: Path, isolation: Isolation) -> None:
    application = Application(tmp_path / "data", isolation)
    with application.client() as api:
        document = upload(api).json()
        hrefs = [f"/v1/images/{each['image_id']}/preview.png" for each in document["series"]]
        previews = [api.get(href).content for href in hrefs[:2]]
        later = application.clock() + timedelta(days=30)
        findings = clear_orphans(application.database, application.blobs, application.settings, later)
        assert (findings.orphans, findings.missing) == ([], [])
        assert [api.get(href).content for href in hrefs[:2]] == previews
        assert len(set(previews)) == 2
        assert api.get(hrefs[2]).is_success
        assert api.get(document["content_href"]).content == CONTENT
    application.close()


def test_positions_of_a_set_are_images_of_one_upload(facility: Application, tmp_path: Path) -> None:
    planes = [
        Plane({"position": position, "time": time}, PIXELS[time] + position)
        for position in range(2)
        for time in range(3)
    ]
    archive = zipped(tmp_path / "run.zip", ndtiff_folder(planes))
    with facility.client(facility.make_key("sets", "admin")) as api:
        response = api.post("/v1/images?filename=run.zip", content=archive.read_bytes())
        assert response.status_code == 201, response.text
        listed = response.json()["series"]
        assert [(each["axes"], each["shape"], each["unusable"]) for each in listed] == [
            ("TYX", [3, 48, 64], None)
        ] * 2
        spec = {"kind": "denoise", "image_ids": [response.json()["id"]], "preset": "instant", "series": [1]}
        job = api.post("/v1/jobs", json=spec).json()
        assert job["spec"]["image_ids"] == [listed[1]["image_id"]]
