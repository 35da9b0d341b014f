"""Who may read by signed links, until when, and from which pages."""

import logging
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from app.http import authentication
from app.http.signed_links import WITHOUT_KEY, SignedLink, Subject
from models_store.clock_and_ids import system_clock
from models_store.image_files.isolation.client import Isolation
from tests.support.answers import problem
from tests.support.application import Application, MakeApplication
from tests.support.linked_images import RNG, Facility, link, linked_facility, made, read
from tests.support.loopback_server import on_loopback
from tests.support.posted_jobs import upload

VIEWER, STRANGER = {"Origin": "https://neuroglancer.example.org"}, {"Origin": "https://evil.example.org"}


@pytest.fixture(scope="module")
def facility(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Facility]:
    with linked_facility(tmp_path_factory.mktemp("linked"), isolation) as facility:
        yield facility


def test_a_viewer_elsewhere_may_read_what_a_link_leads_to_and_nothing_else(facility: Facility) -> None:
    href = made(link(facility))["href"]
    allowed = "access-control-allow-origin"
    for name in ("0/.zarray", "0/0/0/0/0", "nothing"):
        answer = httpx.get(f"{href}/{name}", headers=VIEWER)
        assert answer.headers.get(allowed) == VIEWER["Origin"], name
        assert "Origin" in answer.headers["vary"]
        assert "access-control-allow-credentials" not in answer.headers
        assert allowed not in httpx.get(f"{href}/{name}", headers=STRANGER).headers
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    assert httpx.options(f"{href}/.zattrs", headers=VIEWER | asked).status_code == 200
    assert httpx.options(f"{href}/.zattrs", headers=STRANGER | asked).status_code == 400
    key = {"Authorization": f"Bearer {facility.ours}"}
    for path in ("/v1/jobs", f"/v1/artifacts/{facility.artifact_id}/content"):
        assert allowed not in httpx.get(facility.url + path, headers=VIEWER | key).headers
    # A page of another origin cannot make links with the key that the browser keeps.
    forged = {"Cookie": f"clearscope_key={facility.ours}", "X-ClearScope-Portal": "1", **VIEWER}
    refused = httpx.post(f"{facility.url}/v1/artifacts/{facility.artifact_id}/zarr", headers=forged)
    assert refused.status_code == 403


def test_a_link_is_for_one_layer_of_one_file(facility: Facility) -> None:
    href = made(link(facility))["href"]
    assert httpx.get(f"{href}/.zattrs").status_code == 200
    other = made(link(facility, f"images/{facility.image_id}"))["href"]
    signed, others = (re.findall(r"/zarr/([^/]+)/", each)[0] for each in (href, other))
    for wrong in (
        href.replace("result.ome", "residual.ome"),
        href.replace(facility.artifact_id, "art_" + 32 * "0"),
        href.replace(signed, others),
        href.replace(signed, signed[:-1] + ("0" if signed[-1] != "0" else "1")),
        href.replace(signed, re.sub(r"\.(\d{10})\.", lambda found: f".{int(found[1]) + 1}.", signed)),
        href.replace(signed, "nothing"),
        href.replace(signed, f"open.{int(time.time()) + 999}.{64 * '0'}"),
    ):
        assert wrong != href
        detail = problem(httpx.get(f"{wrong}/.zattrs"), 401, "unauthenticated")
        assert detail.startswith("this link is not valid")
    # Nor does a link do anything but read.
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert httpx.request(method, f"{href}/.zattrs").status_code in {403, 405}
    assert httpx.head(f"{href}/.zattrs").status_code == 200


def test_nobody_makes_links_to_what_they_do_not_see(facility: Facility) -> None:
    problem(link(facility, key=facility.theirs), 404, "not-found")
    problem(link(facility, f"images/{facility.image_id}", key=facility.theirs), 404, "not-found")
    path = f"{facility.url}/v1/artifacts/{facility.artifact_id}/zarr"
    problem(httpx.post(path), 401, "unauthenticated")


def test_a_link_ends_with_its_time_and_with_its_key(facility: Facility) -> None:
    application = facility.application
    ends = system_clock() + timedelta(hours=2)
    key = application.make_key("leaves soon", "read", microscopes=["ours"], expires_at=ends)
    of_key, of_others = made(link(facility, key=key)), made(link(facility))
    assert of_key["expires_at"] == ends.replace(microsecond=0).isoformat().replace("+00:00", "Z")
    valid = datetime.fromisoformat(of_others["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=7.9) < valid < timedelta(hours=8.1)
    try:
        facility.clock.ahead = timedelta(hours=3)
        detail = problem(httpx.get(f"{of_key['href']}/.zattrs"), 401, "unauthenticated")
        assert "expired at" in detail
        assert httpx.get(f"{of_others['href']}/.zattrs").status_code == 200
        facility.clock.ahead = timedelta(hours=9)
        problem(httpx.get(f"{of_others['href']}/.zattrs"), 401, "unauthenticated")
    finally:
        facility.clock.ahead = timedelta()
    with application.client(application.make_key("revoker", "admin")) as api:
        (key_id,) = [each["id"] for each in api.get("/v1/keys").json() if each["name"] == "leaves soon"]
        api.post(f"/v1/keys/{key_id}/revoke").raise_for_status()
    assert "revoked" in refusal(of_key["href"])


def refusal(href: str) -> str:
    """Return why a link is refused, once it is."""
    deadline_s = time.monotonic() + 30
    while (answer := httpx.get(f"{href}/.zattrs")).status_code == 200:
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    return problem(answer, 401, "unauthenticated")


def test_all_links_to_one_result_can_be_ended(facility: Facility) -> None:
    result, residual = made(link(facility)), made(link(facility, layer="residual"))
    image = made(link(facility, f"images/{facility.image_id}"))
    for each in (result, residual, image):
        assert httpx.get(f"{each['href']}/.zattrs").status_code == 200
    path = f"{facility.url}/v1/artifacts/{facility.artifact_id}/zarr"
    theirs, ours = ({"Authorization": f"Bearer {key}"} for key in (facility.theirs, facility.ours))
    problem(httpx.delete(path, headers=theirs), 404, "not-found")
    problem(httpx.delete(path), 401, "unauthenticated")
    assert httpx.delete(path, headers=ours).status_code == 204
    for each in (result, residual):
        assert "was ended" in refusal(each["href"])
    assert httpx.get(f"{image['href']}/.zattrs").status_code == 200
    again = made(link(facility))
    assert again["href"] != result["href"]
    assert httpx.get(f"{again['href']}/.zattrs").status_code == 200
    problem(httpx.get(f"{result['href']}/.zattrs"), 401, "unauthenticated")


def test_a_link_made_just_after_others_were_ended_is_valid(
    facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "CACHE_TTL_S", 3600.0)
    ended = made(link(facility))
    assert httpx.get(f"{ended['href']}/.zattrs").status_code == 200
    path = f"{facility.url}/v1/artifacts/{facility.artifact_id}/zarr"
    httpx.delete(path, headers={"Authorization": f"Bearer {facility.ours}"}).raise_for_status()
    assert httpx.get(f"{made(link(facility))['href']}/.zattrs").status_code == 200
    problem(httpx.get(f"{ended['href']}/.zattrs"), 401, "unauthenticated")


def test_links_do_not_stand_in_logs(facility: Facility, caplog: pytest.LogCaptureFixture) -> None:
    href = made(link(facility))["href"]
    signed = href.split("/")[-2]
    with caplog.at_level("INFO"):
        httpx.get(f"{href}/0/.zarray")
        # The server writes a request down after it has answered.
        deadline_s = time.monotonic() + 30
        while not any(
            "/zarr/.../result.ome.zarr/0/.zarray" in each.getMessage() for each in own_records(caplog)
        ):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
    assert not any(signed in each.getMessage() + str(vars(each)) for each in own_records(caplog))


def own_records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith("app.")]


def test_an_address_that_guesses_links_is_slowed_down(make_application: MakeApplication) -> None:
    application = make_application()
    application.make_key("first", "admin")
    with application.client() as api:
        path = f"/v1/artifacts/art_0/zarr/{12 * '0'}.99999999999.{64 * '0'}/result.ome.zarr/.zattrs"
        answers = [api.get(path).status_code for _ in range(62)]
    assert (answers[0], answers[-1]) == (401, 429)


def test_a_server_without_keys_makes_links_too(
    application: Application, api: httpx.Client, tmp_path: Path
) -> None:
    path = tmp_path / "cells.tif"
    pixels_yx = RNG.poisson(60, (32, 48)).astype("uint8")
    tifffile.imwrite(path, pixels_yx)
    image_id = upload(api, path)
    document = made(api.post(f"/v1/images/{image_id}/zarr"))
    assert (document["neuroglancer_href"], document["vizarr_href"]) == (None, None)
    assert api.get(f"{document['href']}/.zattrs", headers=VIEWER).status_code == 200
    assert "access-control-allow-origin" not in api.get(f"{document['href']}/.zattrs", headers=VIEWER).headers
    # Who knows the file knows its digest, and cannot sign with that.
    subject, later = Subject("images", image_id, "image"), system_clock() + timedelta(days=9)
    digest = api.get(f"/v1/images/{image_id}").json()["sha256"]
    for forged in (
        re.sub(r"[0-9a-f]{64}", 64 * "0", document["href"]),
        SignedLink.sign(None, subject, WITHOUT_KEY, later, digest).path,
    ):
        problem(api.get(f"{forged}/.zattrs"), 401, "unauthenticated")
    with on_loopback(application) as url:
        href = document["href"].replace("http://localhost", url)
        np.testing.assert_array_equal(read(href), pixels_yx)
        for missing in (
            "1/.zarray",
            "0/1/0",
            "0/0/1",
            "0/0",
            "0/0/0/0",
            "../secret",
            "zarr.json",
            ".zmetadata",
        ):
            assert httpx.get(f"{href}/{missing}").status_code in {401, 404}, missing
        chunk = httpx.get(f"{href}/0/0/0")
        again = httpx.get(f"{href}/0/0/0", headers={"If-None-Match": chunk.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
