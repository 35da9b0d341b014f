"""Microscopes of uploaded images: those that the file tells, and another choice than at the upload."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from models_store.image_files.isolation.client import Isolation
from tests.support.answers import problem
from tests.support.application import Application
from tests.support.lif_files import LifImage, write_lif
from tests.support.microscope_files import camera_file
from tests.support.posted_jobs import post, upload
from tests.support.published_files import import_model

OURS, THEIRS = "Disc 1", "Disc 2"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[httpx.Client]:
    """Two microscopes: one has images of the camera 0042, the other is a Nikon Ti2 with a camera like it."""
    folder = tmp_path_factory.mktemp("microscopes")
    application = Application(folder / "data", isolation)
    with application.client() as api:
        api.post("/v1/microscopes", json={"name": OURS}).raise_for_status()
        about = {"name": THEIRS, "manufacturer": "Nikon", "model": "Ti2"}
        api.post("/v1/microscopes", json=about).raise_for_status()
        upload(api, camera_file(folder / "known.ome.tif", "4"), microscope=OURS)
        profile = {"name": "fast", "camera": "hamamatsu orca fusion"}
        api.post(f"/v1/microscopes/{THEIRS}/profiles", json=profile).raise_for_status()
        yield api
    application.close()


def matches(api: httpx.Client, image_id: str) -> list[tuple[str, bool, str]]:
    found = api.get(f"/v1/images/{image_id}/microscope-matches").raise_for_status().json()
    return [(each["microscope"]["name"], each["certain"], each["told"]) for each in found]


def assign(api: httpx.Client, image_id: str, **assigned: Any) -> Any:
    return api.patch(f"/v1/images/{image_id}", json=assigned).raise_for_status().json()


@pytest.mark.parametrize(
    ("recorded", "name", "certain", "told"),
    [
        ({}, OURS, True, "the camera Hamamatsu ORCA Flash, serial number 0042, as in its profile Hama"),
        ({"stand": "Ti2"}, OURS, True, "serial number 0042"),
        ({"serial": "7", "stand": "Ti2"}, THEIRS, True, "the microscope Nikon Ti2"),
        ({"serial": "7", "model": "ORCA Fusion"}, THEIRS, False, "ORCA Fusion, as in its profile fast"),
    ],
)
def test_a_file_tells_its_microscope(
    api: httpx.Client, tmp_path: Path, recorded: dict[str, Any], name: str, *, certain: bool, told: str
) -> None:
    image_id = upload(api, camera_file(tmp_path / "new.ome.tif", "8", **recorded))
    ((found, is_certain, what),) = matches(api, image_id)
    assert (found, is_certain) == (name, certain)
    assert told in what


def test_another_camera_of_the_same_model_and_a_silent_file_tell_nothing(
    api: httpx.Client, tmp_path: Path, noisy_tiff: Path
) -> None:
    assert matches(api, upload(api, camera_file(tmp_path / "other.ome.tif", "4", serial="43"))) == []
    assert matches(api, upload(api, noisy_tiff)) == []


def test_one_of_several_microscopes_is_not_certain(api: httpx.Client, tmp_path: Path) -> None:
    for name in ("A", "B"):
        api.post("/v1/microscopes", json={"name": name, "model": "Eclipse"}).raise_for_status()
    image_id = upload(api, camera_file(tmp_path / "e.ome.tif", "4", serial="9", stand="Eclipse"))
    assert {each[:2] for each in matches(api, image_id)} == {("A", False), ("B", False)}


def test_the_camera_of_one_of_several_channels_tells_the_microscope(
    api: httpx.Client, tmp_path: Path
) -> None:
    api.post("/v1/microscopes", json={"name": "Dual"}).raise_for_status()
    both = camera_file(tmp_path / "both.ome.tif", "4", "8", serial="77")
    upload(api, both, microscope="Dual")
    one = upload(api, camera_file(tmp_path / "one.ome.tif", "1", serial="77"))
    ((name, certain, _),) = matches(api, one)
    assert (name, certain) == ("Dual", True)


def test_an_image_gets_a_microscope_and_with_it_the_noise_model(api: httpx.Client, tmp_path: Path) -> None:
    image_id = upload(api, camera_file(tmp_path / "a.ome.tif", "4"))
    moved = assign(api, image_id, microscope=OURS)
    assert (moved["origin"]["microscope"], moved["profile_choice"]) == (OURS, "settings")
    assert api.get(f"/v1/images/{image_id}").json() == moved
    named = assign(api, image_id, microscope=THEIRS, profile="fast")
    assert (named["origin"]["profile"], named["profile_choice"]) == ("fast", "named")
    assert any("the file tells camera" in text for text in named["warnings"])
    model = import_model(api, microscope=THEIRS, profile="fast")
    spec = {"kind": "denoise", "image_ids": [image_id], "preset": "instant", "force": True}
    plan = api.post("/v1/jobs/preflight", json=spec).json()["plan"]
    assert model["id"] in {step["id"] for step in plan}
    assert assign(api, image_id, microscope=None)["origin"] is None


def test_images_of_a_file_move_together_until_a_job_reads_one(api: httpx.Client, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).poisson(50, (48, 64)).astype(np.uint16)
    scans = [LifImage(name, "YX", pixels, {"X": 0.1, "Y": 0.1}) for name in "ab"]
    image_id = upload(api, write_lif(tmp_path / "scans.lif", scans))
    assign(api, image_id, microscope=OURS)
    document = api.get(f"/v1/images/{image_id}").json()
    single = document["series"][1]["image_id"]
    assert api.get(f"/v1/images/{single}").json()["origin"] == document["origin"]
    refused = api.patch(f"/v1/images/{single}", json={"microscope": None})
    assert "move that one, with all of its images" in problem(refused, 409, "conflict")
    job = post(api, kind="denoise", image_ids=[single], preset="instant")
    refused = api.patch(f"/v1/images/{image_id}", json={"microscope": THEIRS})
    told = problem(refused, 409, "conflict")
    assert told.startswith(f"job {job['id']} has this image with the microscope")


@pytest.fixture
def keyed(tmp_path: Path, isolation: Isolation) -> Iterator[Application]:
    application = Application(tmp_path / "data", isolation)
    yield application
    application.close()


def test_a_bound_key_moves_images_among_its_own_microscopes(keyed: Application, tmp_path: Path) -> None:
    with keyed.client(keyed.make_key("registers", "admin")) as admin:
        for name in ("Own", "Own too", "Foreign"):
            admin.post("/v1/microscopes", json={"name": name}).raise_for_status()
        path = camera_file(tmp_path / "f.ome.tif", "4", serial="foreign")
        upload(admin, path, microscope="Foreign")
    bound = keyed.make_key("bound mover", microscopes=["Own", "Own too"])
    with keyed.client(bound) as api:
        image_id = upload(api, path, microscope="Own")
        assert matches(api, image_id) == []
        assert assign(api, image_id, microscope="Own too")["origin"]["microscope"] == "Own too"
        assert api.patch(f"/v1/images/{image_id}", json={"microscope": "Foreign"}).status_code == 404
        assert api.patch(f"/v1/images/{image_id}", json={"microscope": None}).status_code == 422
    reader = keyed.make_key("reads only", "read")
    with keyed.client(reader) as api:
        assert api.patch(f"/v1/images/{image_id}", json={"microscope": "Own"}).status_code == 403
