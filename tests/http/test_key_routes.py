"""API keys over HTTP: listed, created and revoked by administrators, and everybody's own usage."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
from sqlalchemy import event

from app.documents.keys import ApiKeyDocument
from models_store.repositories import api_keys
from models_store.repositories.pages import PageRequest
from tests.support.answers import problem, wait_for_status
from tests.support.application import Application, MakeApplication
from tests.support.posted_jobs import upload

Document = dict[str, Any]


@pytest.fixture(scope="module")
def tokens(application: Application, api: httpx.Client) -> dict[str, str]:
    with application.client() as open_api:
        open_api.post("/v1/microscopes", json={"name": "Disc"}).raise_for_status()
    made = {
        "admin": application.make_key("chief", "admin"),
        "submit": application.make_key("biologist", "read", "submit", active_jobs=3),
        "bound": application.make_key("bound chief", "admin", microscopes=["Disc"]),
    }
    wait_for_status(api, "/v1/jobs", 401)
    return made


@pytest.fixture
def admin(application: Application, tokens: dict[str, str]) -> Iterator[httpx.Client]:
    with application.client(tokens["admin"]) as admin:
        yield admin


def test_a_new_key_is_shown_once_works_and_can_be_revoked(
    application: Application, admin: httpx.Client
) -> None:
    new = {
        "name": "PC 2",
        "scopes": ["read"],
        "microscopes": ["Disc"],
        "expires_days": 30,
        "active_jobs": 2.0,
    }
    made = admin.post("/v1/keys", json=new)
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    token, about = made.json()["key"], made.json()["about"]
    assert (about["name"], about["scopes"], about["microscopes"]) == ("PC 2", ["read"], ["Disc"])
    assert (about["state"], about["usage"]["active_jobs_limit"]) == ("valid", 2)
    listed = admin.get("/v1/keys")
    assert token.split("_")[-1] not in listed.text
    assert "PC 2" in [each["name"] for each in listed.json()]
    with application.client(token) as user:
        own: Document = user.get("/v1/keys/own").json()
        assert (own["id"], own["usage"]["stored_bytes"]) == (about["id"], 0)
        assert "the scope admin" in problem(user.get("/v1/keys"), 403, "forbidden")
        problem(user.post("/v1/keys", json=new), 403, "forbidden")
        revoked = admin.post(f"/v1/keys/{about['prefix']}/revoke").json()
        assert revoked["state"] == "revoked"
        assert "revoked" in problem(wait_for_status(user, "/v1/keys/own", 401), 401, "unauthenticated")
    for key in (about["id"], about["prefix"], about["name"]):
        told = problem(admin.post(f"/v1/keys/{key}/revoke"), 409, "conflict")
        assert "revoked already" in told
    problem(admin.post("/v1/keys/nobody/revoke"), 404, "not-found")


def test_the_document_tells_how_to_name_a_new_key_in_addresses(admin: httpx.Client) -> None:
    paths = admin.get("/openapi.json").json()["paths"]
    link = paths["/v1/keys"]["post"]["responses"]["201"]["links"]["revoke"]
    assert link["operationId"] == paths["/v1/keys/{key}/revoke"]["post"]["operationId"]
    assert link["parameters"] == {"key": "$response.body#/about/id"}


def test_an_administrator_cannot_revoke_the_key_of_the_request(admin: httpx.Client) -> None:
    assert "another one" in problem(admin.post("/v1/keys/chief/revoke"), 409, "conflict")
    assert admin.get("/v1/keys/own").json()["state"] == "valid"


def test_a_key_that_is_bound_to_microscopes_makes_and_sees_none(
    application: Application, tokens: dict[str, str]
) -> None:
    with application.client(tokens["bound"]) as bound:
        for answer in (
            bound.get("/v1/keys"),
            bound.post("/v1/keys", json={"name": "mine"}),
            bound.post("/v1/keys/biologist/revoke"),
        ):
            assert "not bound to microscopes" in problem(answer, 403, "forbidden")
        assert bound.get("/v1/keys/own").json()["microscopes"] == ["Disc"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "a "}, "name"),
        ({"name": "\u0085a"}, "name"),
        ({"name": "\ufeff"}, "name"),
        ({"name": "a\rb"}, "name"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["write"]}, "scopes"),
        ({"name": "a", "expires_days": 0}, "expires_days"),
        ({"name": "a", "stored_bytes": "1 GB"}, "stored_bytes"),
        ({"name": "a", "active_jobs": "2"}, "active_jobs"),
        ({"name": "a", "active_jobs": True}, "active_jobs"),
        ({"name": "a", "requests_per_minute": 1.5}, "requests_per_minute"),
    ],
)
def test_a_wrong_request_is_named(admin: httpx.Client, wrong: Document, named: str) -> None:
    assert named in problem(admin.post("/v1/keys", json=wrong), 422, "invalid-request")


def test_names_of_valid_keys_differ_and_microscopes_exist(admin: httpx.Client) -> None:
    assert "choose another name" in problem(
        admin.post("/v1/keys", json={"name": "biologist"}), 409, "conflict"
    )
    unknown = admin.post("/v1/keys", json={"name": "a", "microscopes": ["none"]})
    assert "none" in problem(unknown, 404, "not-found")
    own = admin.get("/v1/keys/own").json()
    for name in (own["id"], own["prefix"]):
        told = problem(admin.post("/v1/keys", json={"name": name}), 409, "conflict")
        assert "the id or prefix of another key" in told


def test_keys_are_listed_in_pages_with_their_usage(make_application: MakeApplication, tmp_path: Path) -> None:
    application = make_application()
    tokens = [application.make_key(f"key {number}", "admin", active_jobs=9) for number in range(3)]
    with application.client(tokens[0]) as admin:
        tifffile.imwrite(tmp_path / "a.tif", np.arange(4096, dtype=np.uint16).reshape(64, 64))
        upload(admin, tmp_path / "a.tif")
        first = admin.get("/v1/keys", params={"limit": 2})
        second = admin.get(first.links["next"]["url"])
    listed = [*first.json(), *second.json()]
    assert [each["name"] for each in listed] == ["key 2", "key 1", "key 0"]
    assert "next" not in second.links
    assert [each["usage"]["stored_bytes"] > 0 for each in listed] == [False, False, True]


def test_the_usage_of_many_keys_takes_as_many_queries_as_that_of_one(
    make_application: MakeApplication,
) -> None:
    application = make_application()
    for number in range(5):
        application.make_key(f"key {number}", "read")
    statements: list[str] = []
    event.listen(
        application.database.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: statements.append(statement),
    )
    asked = []
    for count in (1, 5):
        statements.clear()
        with application.database.read() as session:
            rows = api_keys.list_keys(session, PageRequest(count)).rows
            ApiKeyDocument.of_all(session, rows, application.settings, application.clock())
        asked.append(len(statements))
    assert asked[0] == asked[1]


def test_the_first_key_is_created_on_the_servers_machine(make_application: MakeApplication) -> None:
    with make_application().client() as api:
        told = problem(api.post("/v1/keys", json={"name": "first", "scopes": ["admin"]}), 409, "conflict")
        assert "clearscope keys create" in told
        assert api.get("/v1/keys").json() == []
        problem(api.get("/v1/keys/own"), 404, "not-found")
