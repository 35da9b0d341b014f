"""Links to one image are told apart, listed without their addresses, and ended one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from app.http import authentication
from app.http.authentication import _of_both
from app.http.signed_links import WITHOUT_KEY, SignedLink, Subject
from models_store.clock_and_ids import system_clock
from models_store.database.tables import ApiKey, Artifact, Image
from models_store.repositories.link_secrets import find_link_secret, link_secret
from models_store.repositories.share_links import add_link
from tests.support.answers import problem
from tests.support.application import Application
from tests.support.posted_jobs import upload
from tests.support.stored_results import store_result


@dataclass(frozen=True)
class Shared:
    """An image and a result, and people who see them, one of whom is called Ada; a stranger does not."""

    application: Application
    anna: httpx.Client
    ada: httpx.Client
    stranger: httpx.Client
    image: str
    result: str


@pytest.fixture(scope="module")
def shared(application: Application, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    path = tmp_path_factory.mktemp("shared") / "cells.tif"
    pixels_yx = np.random.default_rng(0).poisson(60, (32, 48)).astype("uint16")
    tifffile.imwrite(path, pixels_yx)
    with application.client(application.make_key("admin", "admin")) as admin:
        for name in ("ours", "theirs"):
            admin.post("/v1/microscopes", json={"name": name}).raise_for_status()
        image_id = upload(admin, path, microscope="ours")
    artifact_id = store_result(application, image_id, pixels_yx[None].astype("float32"))
    anna, ada = (application.make_key(name, "read", microscopes=["ours"]) for name in ("Anna", "Ada"))
    stranger = application.make_key("Eve", "read", "submit", microscopes=["theirs"])
    with (
        application.client(anna) as of_anna,
        application.client(ada) as of_ada,
        application.client(stranger) as of_stranger,
    ):
        artifact = f"/v1/artifacts/{artifact_id}"
        yield Shared(application, of_anna, of_ada, of_stranger, f"/v1/images/{image_id}", artifact)


def made(api: httpx.Client, subject: str, layer: str = "result") -> dict[str, Any]:
    answer = api.post(f"{subject}/zarr", params={} if "images" in subject else {"layer": layer})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def opens(shared: Shared, link: dict[str, Any]) -> bool:
    with shared.application.client() as nobody:
        return nobody.get(f"{link['href']}/.zattrs").status_code == 200


@pytest.fixture(autouse=True)
def _no_links_before(shared: Shared) -> None:
    for subject in (shared.image, shared.result):
        shared.anna.delete(f"{subject}/zarr").raise_for_status()


@pytest.fixture(autouse=True)
def _changes_are_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "CACHE_TTL_S", 0.0)


def test_links_are_listed_with_who_made_them_but_without_what_opens_them(shared: Shared) -> None:
    first, second = made(shared.anna, shared.result), made(shared.ada, shared.result, "residual")
    answer = shared.ada.get(f"{shared.result}/links")
    listed = answer.json()
    told = [(each["id"], each["layer"], each["made_by"], each["expires_at"]) for each in listed]
    assert told == [
        (second["id"], "residual", "Ada", second["expires_at"]),
        (first["id"], "result", "Anna", first["expires_at"]),
    ]
    age = system_clock() - datetime.fromisoformat(listed[0]["created_at"])
    assert timedelta() <= age < timedelta(minutes=5)
    with shared.application.database.read() as session:
        secret = find_link_secret(session, Artifact, shared.result.rpartition("/")[2])
    for link in (first, second):
        signature = link["href"].split("/")[-2].rpartition(".")[2]
        assert signature not in answer.text
    assert secret is not None
    assert secret not in answer.text
    assert shared.ada.get(f"{shared.image}/links").json() == []


@pytest.mark.parametrize("subject", ["image", "result"])
def test_one_link_is_ended_and_others_stay(shared: Shared, subject: str) -> None:
    path = getattr(shared, subject)
    ended, kept = made(shared.anna, path), made(shared.anna, path)
    assert opens(shared, ended)
    assert shared.ada.delete(f"{path}/links/{ended['id']}").status_code == 204
    assert not opens(shared, ended)
    assert opens(shared, kept)
    assert [each["id"] for each in shared.anna.get(f"{path}/links").json()] == [kept["id"]]
    detail = problem(shared.anna.delete(f"{path}/links/{ended['id']}"), 404, "not-found")
    assert "may have expired or been ended" in detail


def test_ending_all_links_empties_the_list(shared: Shared) -> None:
    links = [made(shared.anna, shared.result), made(shared.anna, shared.result, "residual")]
    shared.anna.delete(f"{shared.result}/zarr").raise_for_status()
    assert shared.anna.get(f"{shared.result}/links").json() == []
    assert not any(opens(shared, link) for link in links)


def test_strangers_neither_see_nor_end_links(shared: Shared) -> None:
    link, of_image = made(shared.anna, shared.result), made(shared.anna, shared.image)
    problem(shared.stranger.get(f"{shared.result}/links"), 404, "not-found")
    problem(shared.stranger.delete(f"{shared.result}/links/{link['id']}"), 404, "not-found")
    # Nor is a link ended by way of another image.
    problem(shared.anna.delete(f"{shared.result}/links/{of_image['id']}"), 404, "not-found")
    assert opens(shared, link)
    assert opens(shared, of_image)


def test_a_link_without_its_id_is_of_an_older_version_and_ends_with_all(shared: Shared) -> None:
    link = made(shared.anna, shared.image)
    token = link["href"].split("/")[-2]
    stripped = {"href": link["href"].replace(token, token.partition(".")[2])}
    assert not opens(shared, stripped)
    image_id = shared.image.rpartition("/")[2]
    with shared.application.database.write() as session:
        secret = link_secret(session, Image, image_id)
        key = session.query(ApiKey).filter_by(name="Anna").one()
        assert secret is not None
        subject, ends = Subject("images", image_id, "image"), system_clock() + timedelta(hours=1)
        older = {"href": SignedLink.sign(None, subject, key.prefix, ends, _of_both(secret, key)).path}
    assert opens(shared, older)
    shared.anna.delete(f"{shared.image}/zarr").raise_for_status()
    assert not opens(shared, older)


def test_the_first_key_ends_links_that_were_made_without_one(shared: Shared) -> None:
    image_id, now = shared.image.rpartition("/")[2], system_clock()
    with shared.application.database.write() as session:
        secret = link_secret(session, Image, image_id)
        assert secret is not None
        row = add_link(session, image_id, "image", None, now, now + timedelta(hours=1))
        subject = Subject("images", image_id, "image")
        signed = SignedLink.sign(row.id, subject, WITHOUT_KEY, row.expires_at, _of_both(secret, None))
    assert not opens(shared, {"href": signed.path})
    assert shared.anna.get(f"{shared.image}/links").json() == []


def test_links_end_with_the_key_that_made_them_and_leave_the_list(shared: Shared) -> None:
    leaving = shared.application.make_key("Leaves", "read", microscopes=["ours"])
    with shared.application.client(leaving) as api:
        link = made(api, shared.image)
    assert [each["made_by"] for each in shared.anna.get(f"{shared.image}/links").json()] == ["Leaves"]
    with shared.application.client(shared.application.make_key("revoker", "admin")) as admin:
        (key_id,) = [each["id"] for each in admin.get("/v1/keys").json() if each["name"] == "Leaves"]
        admin.post(f"/v1/keys/{key_id}/revoke").raise_for_status()
    assert shared.anna.get(f"{shared.image}/links").json() == []
    assert not opens(shared, link)


def test_links_of_keys_that_no_longer_see_the_image_leave_the_list(shared: Shared, tmp_path: Path) -> None:
    path = tmp_path / "moved.tif"
    tifffile.imwrite(path, np.random.default_rng(1).poisson(60, (32, 48)).astype("uint16"))
    with shared.application.client(shared.application.make_key("mover", "admin")) as mover:
        image = f"/v1/images/{upload(mover, path, microscope='ours')}"
        of_anna, of_mover = made(shared.anna, image), made(mover, image)
        mover.patch(image, json={"microscope": "theirs"}).raise_for_status()
    assert not opens(shared, of_anna)
    assert opens(shared, of_mover)
    assert [each["id"] for each in shared.stranger.get(f"{image}/links").json()] == [of_mover["id"]]
