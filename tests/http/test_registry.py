"""Microscopes, profiles and noise models over HTTP."""

import io
from datetime import UTC, datetime

import httpx
import numpy as np
import pytest

from tests.support.answers import problem
from tests.support.published_files import import_model, npz

JSON = {"Content-Type": "application/json"}


def test_a_microscope_is_found_by_name_and_id(api: httpx.Client) -> None:
    created = api.post("/v1/microscopes", json={"name": "Lattice 1", "description": "Room 5"})
    assert created.status_code == 201
    document = created.json()
    assert api.get(created.headers["location"]).json() == document
    assert api.get("/v1/microscopes/Lattice 1").json() == document
    assert document in api.get("/v1/microscopes").json()
    taken = api.post("/v1/microscopes", json={"name": "Lattice 1"})
    assert (taken.status_code, taken.json()["type"]) == (409, "urn:clearscope:problem:conflict")


@pytest.mark.parametrize("name", ["", " padded ", "\ufeffmarked", "next line\u0085", "with/slash", "x" * 201])
def test_a_name_that_cannot_be_part_of_a_url_is_refused(api: httpx.Client, name: str) -> None:
    response = api.post("/v1/microscopes", json={"name": name})
    assert response.status_code == 422
    assert "name" in response.json()["detail"]


def test_a_profile_says_how_images_were_taken(api: httpx.Client) -> None:
    api.post("/v1/microscopes", json={"name": "Profiled"})
    url = "/v1/microscopes/Profiled/profiles"
    created = api.post(url, json={"name": "fast", "camera": "sCMOS", "gain": 0.46, "exposure_ms": 20})
    assert created.status_code == 201
    assert created.json()["microscope"] == "Profiled"
    assert api.get(f"{url}/fast").json() == created.json()
    assert api.post(url, json={"name": "fast"}).status_code == 409
    assert api.post(url, json={"name": "odd", "gain": -1}).status_code == 422
    assert [each["name"] for each in api.get(url).json()] == ["fast"]


OWN: dict[str, object] = {"clock": "100 MHz", "\u00c5": "1.0", "head": 12345678, "tube lens": "HDR 2"}
SPELLED: dict[str, object] = {
    "camera": "ORCA-Flash 4.0 µ",
    "readout_mode": "Rolling",
    "gain_name": "1",
    "offset_adu": 0,
    "settings": OWN,
}
RESPELLED: dict[str, object] = {
    "camera": "orca\u2011flash  4.0 \u03bc",
    "readout_mode": "\uff32olling",
    "gain_name": "1e0",
    "offset_adu": -0.0,
    "settings": {"Tube Lens": "hdr  2", "HEAD": "12345678.0", "A\u030a": 1, "Clock": "100.0mhz"},
}


def test_the_same_settings_in_any_spelling_and_order_are_one_profile(api: httpx.Client) -> None:
    api.post("/v1/microscopes", json={"name": "Spelled"}).raise_for_status()
    url = "/v1/microscopes/Spelled/profiles"
    made = api.post(url, json=SPELLED)
    assert made.status_code == 201
    again = api.post(url, json=dict(reversed(RESPELLED.items())))
    assert (again.status_code, again.json()) == (200, made.json())
    written = api.post(url, content=b'{"camera": "C", "gain": 4e0, "binning": "2"}', headers=JSON).json()
    assert api.post(url, json={"binning": 2, "gain": 4.0, "camera": "c"}).json() == written
    assert len(api.get(url).json()) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"settings": OWN | {"head": 12345679}},
        {"settings": OWN | {"clock": "100 kHz"}},
        {"settings": OWN | {"tube lens": "HDR 20"}},
        {"gain_name": "1_0"},
        {"gain_name": "10"},
        {"region_height_px": 256},
    ],
)
def test_other_settings_are_another_profile(api: httpx.Client, other: dict[str, object]) -> None:
    name = f"Other {other}".replace("/", "")
    api.post("/v1/microscopes", json={"name": name}).raise_for_status()
    url = f"/v1/microscopes/{name}/profiles"
    first, second = (
        api.post(url, json=each).raise_for_status().json() for each in (SPELLED, SPELLED | other)
    )
    assert first["id"] != second["id"]


def test_a_setting_named_twice_in_other_spellings_is_refused(api: httpx.Client) -> None:
    api.post("/v1/microscopes", json={"name": "Twice"}).raise_for_status()
    posted = {"camera": "C", "settings": {"\u00c5": 1, "A\u030a": 2}}
    told = problem(api.post("/v1/microscopes/Twice/profiles", json=posted), 422, "invalid-request")
    assert "names the same setting twice" in told


def test_own_settings_that_are_refused_are_no_part_of_the_schema(api: httpx.Client) -> None:
    api.post("/v1/microscopes", json={"name": "Refused"}).raise_for_status()
    refused: list[dict[str, object]] = [{"head": "0" * 101}, {"head\U0001f52c": 1}, {"head": True}]
    for own in refused:
        answer = api.post("/v1/microscopes/Refused/profiles", json={"camera": "C", "settings": own})
        assert "settings" in problem(answer, 422, "invalid-request")
    schemas = api.get("/openapi.json").json()["components"]["schemas"]
    own_settings, _none = schemas["NewProfile"]["properties"]["settings"]["anyOf"]
    assert own_settings["additionalProperties"] is False


def test_a_published_noise_model_is_imported_and_exported(api: httpx.Client) -> None:
    document = import_model(api)
    assert (document["origin"], document["belongs_to"]) == ("import", None)
    assert (document["signal_min_adu"], document["signal_max_adu"]) == (100, 4000)
    exported = np.load(io.BytesIO(api.get(f"/v1/noise-models/{document['id']}/export").content))
    original = np.load(io.BytesIO(npz()))
    for name in original.files:
        np.testing.assert_allclose(exported[name], original[name], rtol=1e-6)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        npz(trained_weight=None),
        npz(trained_weight=np.full((3, 2), np.nan)),
        npz(trained_weight=np.zeros((4, 2))),
        npz(max_signal=np.array([50.0])),
        npz(trained_weight=np.array([[{}] * 2] * 3)),
    ],
)
def test_a_file_that_is_no_noise_model_is_refused(api: httpx.Client, content: bytes) -> None:
    response = api.post("/v1/noise-models/import", content=content)
    assert response.status_code == 422
    assert response.json()["type"] == "urn:clearscope:problem:noise-model-invalid"


def test_one_version_is_active_and_history_is_kept(api: httpx.Client) -> None:
    api.post("/v1/microscopes", json={"name": "Versions"})
    first = import_model(api, microscope="Versions")
    between = datetime.now(UTC).isoformat()
    second = import_model(api, microscope="Versions")
    assert [first["version"], second["version"]] == [1, 2]

    def active(at: str) -> list[str]:
        query = {"microscope": "Versions", "active_at": at}
        return [each["id"] for each in api.get("/v1/noise-models", params=query).json()]

    assert active(between) == [first["id"]]
    assert active(datetime.now(UTC).isoformat()) == [second["id"]]
    assert active("2020-01-01T00:00:00Z") == []
    assert api.post(f"/v1/noise-models/{first['id']}/activate").status_code == 200
    assert active(datetime.now(UTC).isoformat()) == [first["id"]]


def test_an_anonymous_noise_model_is_never_active(api: httpx.Client) -> None:
    response = api.post(f"/v1/noise-models/{import_model(api)['id']}/activate")
    assert response.status_code == 409


def test_openapi_describes_every_route_with_problems(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        for operation in operations.values():
            problems = operation["responses"]["4XX"]["content"]
            assert "application/problem+json" in problems, path
    examples = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert examples["denoise"]["value"]["kind"] == "denoise"
