"""Uploads that name a microscope and no profile: the settings in the file find or make it."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.microscope_files import camera_file
from tests.support.posted_jobs import post
from tests.support.published_files import import_model

Document = dict[str, Any]


def send(api: httpx.Client, path: Path, **query: str) -> Document:
    response = api.post("/v1/images", params={"filename": path.name, **query}, content=path.read_bytes())
    assert response.status_code == 201, response.text
    document: Document = response.json()
    assert api.get(f"/v1/images/{document['id']}").json() == document
    return document


@pytest.fixture
def microscope(api: httpx.Client, request: pytest.FixtureRequest) -> str:
    name: str = request.node.name
    assert api.post("/v1/microscopes", json={"name": name}).status_code == 201
    return name


def test_the_same_settings_however_spelled_are_one_profile(
    api: httpx.Client, microscope: str, tmp_path: Path
) -> None:
    first = send(api, camera_file(tmp_path / "a.ome.tif", "4"), microscope=microscope)
    assert first["profile_choice"] == "settings"
    assert first["origin"]["profile"].startswith("Hamamatsu ORCA Flash, no. 0042, gain 4, binning 2x2 (")
    again = camera_file(tmp_path / "b.ome.tif", "4.0", reverse=True)
    assert send(api, again, microscope=microscope)["origin"] == first["origin"]
    for other in (
        camera_file(tmp_path / "c.ome.tif", "8"),
        camera_file(tmp_path / "d.ome.tif", "4", serial="42"),
        camera_file(tmp_path / "e.ome.tif", "4", "8"),
    ):
        assert send(api, other, microscope=microscope)["origin"] != first["origin"]
    profiles = api.get(f"/v1/microscopes/{microscope}/profiles").json()
    assert len(profiles) == 4
    made = api.get(f"/v1/microscopes/{microscope}/profiles/{first['origin']['profile']}").json()
    assert (made["camera"], made["camera_serial"]) == ("Hamamatsu ORCA Flash", "0042")
    assert (made["gain_name"], made["binning"], made["exposure_ms"]) == ("4", 2, None)
    assert set(made["file_settings"]) == {""}


def test_channels_of_different_gain_are_told_in_the_profile(
    api: httpx.Client, microscope: str, tmp_path: Path
) -> None:
    document = send(api, camera_file(tmp_path / "a.ome.tif", "4", "8"), microscope=microscope)
    made = api.get(f"/v1/microscopes/{microscope}/profiles/{document['origin']['profile']}").json()
    assert {name: own["gain"] for name, own in made["file_settings"].items()} == {"dye 0": "4", "dye 1": "8"}
    assert made["gain_name"] is None


def test_a_posted_profile_with_these_settings_is_found(
    api: httpx.Client, microscope: str, tmp_path: Path
) -> None:
    posted = {
        "name": "fast",
        "camera": "hamamatsu orca flash",
        "camera_serial": "0042",
        "gain": 4,
        "binning": 2,
        "exposure_ms": 20,
    }
    assert api.post(f"/v1/microscopes/{microscope}/profiles", json=posted).status_code == 201
    document = send(api, camera_file(tmp_path / "a.ome.tif", "4"), microscope=microscope)
    assert (document["origin"]["profile"], document["profile_choice"]) == ("fast", "settings")


def test_a_named_profile_wins_and_the_difference_is_told(
    api: httpx.Client, microscope: str, tmp_path: Path
) -> None:
    posted = {"name": "slow", "gain": 1, "binning": 2}
    api.post(f"/v1/microscopes/{microscope}/profiles", json=posted)
    path = camera_file(tmp_path / "a.ome.tif", "4")
    document = send(api, path, microscope=microscope, profile="slow")
    assert (document["origin"]["profile"], document["profile_choice"]) == ("slow", "named")
    (told,) = (text for text in document["warnings"] if "profile" in text)
    assert told == (
        "the file tells gain '4' instead of '1', as the profile 'slow' has; the upload named the profile, so "
        "that is what counts"
    )


def test_a_file_that_tells_nothing_has_the_default_profile(
    api: httpx.Client, microscope: str, noisy_tiff: Path
) -> None:
    document = send(api, noisy_tiff, microscope=microscope)
    assert (document["origin"]["profile"], document["profile_choice"]) == ("default", "default")
    document = send(api, noisy_tiff)
    assert (document["origin"], document["profile_choice"]) == (None, None)


def test_without_a_microscope_settings_make_no_profile(api: httpx.Client, tmp_path: Path) -> None:
    document = send(api, camera_file(tmp_path / "a.ome.tif", "4"))
    assert (document["origin"], document["profile_choice"]) == (None, None)
    assert document["header"]["acquisition"][0]["gain"] == "4"


def test_a_noise_model_of_the_microscope_serves_profiles_made_for_files(
    api: httpx.Client, microscope: str, tmp_path: Path
) -> None:
    import_model(api, microscope=microscope)
    document = send(api, camera_file(tmp_path / "a.ome.tif", "4"), microscope=microscope)
    job = post(api, kind="denoise", image_ids=[document["id"]], preset="fast", prior="none", force=True)
    why = [step["why"] for step in job["plan"] if step.get("noise_model_id") or "noise model" in step["why"]]
    assert f"the imported noise model of {microscope} / default" in why
