"""Versions of noise models: what they came from, and who activated, retired or rolled them back, and why."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.support.answers import problem, wait_for_status
from tests.support.application import Application, MakeApplication
from tests.support.published_files import import_model

Document = dict[str, Any]


@pytest.fixture
def versions(api: httpx.Client, request: pytest.FixtureRequest) -> tuple[str, list[Document]]:
    """Three noise models of a microscope of the test's own, of which the last is active."""
    microscope: str = request.node.name
    assert api.post("/v1/microscopes", json={"name": microscope}).status_code == 201
    return microscope, [import_model(api, microscope=microscope) for _ in range(3)]


def active(api: httpx.Client, microscope: str, at: str = "2100-01-01T00:00:00Z") -> list[str]:
    query = {"microscope": microscope, "active_at": at}
    return [each["id"] for each in api.get("/v1/noise-models", params=query).json()]


def change(
    api: httpx.Client, noise_model: Document, action: str, reason: str | None = None
) -> httpx.Response:
    body = None if reason is None else {"reason": reason}
    return api.post(f"/v1/noise-models/{noise_model['id']}/{action}", json=body)


def history(api: httpx.Client, **query: str | int) -> list[Document]:
    found: list[Document] = api.get("/v1/noise-models/history", params=query).json()
    return found


def now() -> str:
    return datetime.now(UTC).isoformat()


def test_every_change_is_recorded_with_its_reason(
    api: httpx.Client, versions: tuple[str, list[Document]]
) -> None:
    microscope, (first, second, third) = versions
    assert change(api, first, "activate", "the lamp of May").json()["active"] is True
    assert change(api, second, "retire", "saturated").json()["retired"]["reason"] == "saturated"
    assert change(api, third, "activate").status_code == 200
    found = history(api, microscope=microscope)
    assert [(each["action"], each["version"], each["reason"]) for each in found] == [
        ("activate", 3, None),
        ("retire", 2, "saturated"),
        ("activate", 1, "the lamp of May"),
        ("activate", 3, "import of a file"),
        ("activate", 2, "import of a file"),
        ("activate", 1, "import of a file"),
    ]
    assert [each["active_id"] for each in found[:3]] == [third["id"], first["id"], first["id"]]
    assert {each["by"] for each in found} == {None}
    assert [each["number"] for each in history(api, noise_model=second["id"])] == [
        found[1]["number"],
        found[4]["number"],
    ]
    page = api.get("/v1/noise-models/history", params={"microscope": microscope, "limit": 4})
    rest = api.get(page.links["next"]["url"])
    assert page.json() + rest.json() == found
    assert "next" not in rest.links


def test_rolling_back_goes_to_the_versions_before_one_by_one(
    api: httpx.Client, versions: tuple[str, list[Document]]
) -> None:
    microscope, (first, second, third) = versions
    while_third = now()
    assert change(api, third, "roll-back", "drifted").json()["id"] == second["id"]
    assert active(api, microscope) == [second["id"]]
    refused = change(api, third, "roll-back")
    assert second["id"] in problem(refused, 409, "conflict")
    assert change(api, second, "roll-back").json()["id"] == first["id"]
    assert "no version was active before" in problem(change(api, first, "roll-back"), 409, "conflict")
    assert active(api, microscope, while_third) == [third["id"]]


def test_a_retired_version_is_skipped_until_it_is_activated_again(
    api: httpx.Client, versions: tuple[str, list[Document]]
) -> None:
    microscope, (first, second, third) = versions
    change(api, second, "retire")
    assert change(api, third, "roll-back").json()["id"] == first["id"]
    retired = change(api, first, "retire", "mirror cleaned").json()
    assert (retired["active"], retired["retired"]["by"]) == (False, None)
    assert active(api, microscope) == []
    assert "retired already" in problem(change(api, first, "retire"), 409, "conflict")
    again = change(api, first, "activate").json()
    assert (again["active"], again["retired"]) == (True, None)


def test_the_past_stays_when_a_version_is_deleted(
    api: httpx.Client, versions: tuple[str, list[Document]]
) -> None:
    microscope, (first, second, third) = versions
    while_third = now()
    change(api, first, "activate")
    while_first = now()
    assert api.delete(f"/v1/noise-models/{third['id']}").status_code == 204
    assert active(api, microscope, while_third) == []
    assert active(api, microscope, while_first) == active(api, microscope) == [first["id"]]
    newest = history(api, microscope=microscope)[0]
    assert (newest["action"], newest["noise_model_id"]) == ("delete", third["id"])
    assert newest["active_id"] == first["id"]
    assert import_model(api, microscope=microscope)["version"] == 4
    assert change(api, second, "retire").status_code == 200


def test_an_imported_version_knows_its_digest_and_no_job(api: httpx.Client) -> None:
    one, other = import_model(api), import_model(api)
    assert one["parameters_sha256"] == other["parameters_sha256"]
    assert len(one["parameters_sha256"]) == 64
    assert [one[name] for name in ("images", "seed", "software_version", "job_id")] == [None] * 4
    assert "anonymous" in problem(change(api, one, "retire"), 409, "conflict")


def test_the_key_is_recorded_and_others_see_their_microscopes_alone(
    make_application: MakeApplication,
) -> None:
    application: Application = make_application()
    ada = application.make_key("Ada", "admin")
    with application.client() as nobody:
        wait_for_status(nobody, "/v1/jobs", 401)
    with application.client(ada) as api:
        for name in ("seen", "hidden"):
            api.post("/v1/microscopes", json={"name": name}).raise_for_status()
        models = {name: import_model(api, microscope=name) for name in ("seen", "hidden")}
        (made,) = history(api, microscope="seen")
        assert made["by"]["name"] == "Ada"
    bound = application.make_key("Bob", "calibrate", "read", microscopes=["seen"])
    with application.client(bound) as api:
        assert change(api, models["seen"], "retire", "old").json()["retired"]["by"]["name"] == "Bob"
        assert [each["noise_model_id"] for each in history(api)] == [models["seen"]["id"]] * 2
        assert history(api, noise_model=models["hidden"]["id"]) == []
        for action in ("activate", "retire", "roll-back"):
            assert change(api, models["hidden"], action).status_code == 404
    reader = application.make_key("Eve", "read")
    with application.client(reader) as api:
        assert change(api, models["seen"], "activate").status_code == 403
        assert [each["by"]["name"] for each in history(api, microscope="seen")] == ["Bob", "Ada"]


def test_two_people_who_activate_at_once_leave_one_active_and_both_in_the_history(
    api: httpx.Client, versions: tuple[str, list[Document]]
) -> None:
    microscope, (first, second, _) = versions
    with ThreadPoolExecutor(2) as people:
        answers = people.map(
            lambda chosen: change(api, chosen, "activate", f"version {chosen['version']}"), (first, second)
        )
        assert [answer.status_code for answer in answers] == [200, 200]
    later, earlier = history(api, microscope=microscope)[:2]
    assert {earlier["reason"], later["reason"]} == {"version 1", "version 2"}
    assert later["active_id"] == later["noise_model_id"]
    assert active(api, microscope) == [later["active_id"]]
