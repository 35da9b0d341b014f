"""The documented way to sign in with OpenID Connect: nginx with the lines of docs/operations.md.

A small server plays oauth2-proxy: the cookie `person` tells who has signed in.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import httpx
import numpy as np
import pytest
import tifffile

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application
from tests.support.loopback_server import on_loopback
from tests.support.nginx import HOST, documented_proxy
from tests.support.posted_jobs import upload

STRANGER, NO_GROUP, USER, STAFF = "", "nobody", "ann", "bob"


class OAuth2Proxy(BaseHTTPRequestHandler):
    """Answers as oauth2-proxy does with --set-xauthrequest."""

    groups: ClassVar = {NO_GROUP: "physics", USER: "physics,light-microscopy", STAFF: "facility-staff"}

    def do_GET(self) -> None:  # as the standard library names it
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("person")
        groups = self.groups.get(cookie.value) if cookie else None
        if self.path.startswith("/oauth2/auth"):
            self.send_response(401 if groups is None else 202)
            self.send_header("X-Auth-Request-Groups", groups or "")
        else:
            self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Place:
    application: Application
    url: str
    user_key: str
    staff_key: str
    image_id: str


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, isolation: Isolation) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("proxy")
    application = Application(folder / "data", isolation)
    staff_key = application.make_key("staff", "admin")
    with application.client(staff_key) as api:
        for name in ("ours", "theirs"):
            api.post("/v1/microscopes", json={"name": name}).raise_for_status()
        tifffile.imwrite(folder / "a.tif", np.random.default_rng(0).poisson(40, (32, 32)).astype("uint16"))
        image_id = upload(api, folder / "a.tif", microscope="ours")
    user_key = application.make_key("users", "read", "submit", microscopes=["ours"])
    with on_loopback(application) as server, oauth2_proxy() as oauth2:
        changes = {
            "http://127.0.0.1:8000": server,
            "http://127.0.0.1:4180": oauth2,
            "cs_STAFF": staff_key,
            "cs_USERS": user_key,
        }
        with documented_proxy(folder, "Sign in with OpenID Connect", changes) as url:
            yield Place(application, url, user_key, staff_key, image_id)
    application.close()


@contextmanager
def oauth2_proxy() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), OAuth2Proxy)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def browser(place: Place, person: str) -> httpx.Client:
    cookies = {"person": person} if person else {}
    return httpx.Client(base_url=place.url, headers={**HOST, "Accept": "text/html"}, cookies=cookies)


def test_who_has_not_signed_in_is_sent_to_the_proxys_page(place: Place) -> None:
    with browser(place, STRANGER) as pages:
        answer = pages.get("/jobs?state=failed")
        assert answer.status_code == 302
        assert answer.headers["location"].endswith("/oauth2/sign_in?rd=/jobs?state=failed")
        assert pages.get("/oauth2/sign_in").status_code == 200
        assert pages.get("/v1/jobs").status_code == 401


def test_a_person_has_the_key_of_their_group(place: Place) -> None:
    with browser(place, USER) as pages:
        assert pages.get("/jobs").status_code == 200
        assert [each["name"] for each in pages.get("/v1/microscopes").json()] == ["ours"]
        assert pages.get(f"/v1/images/{place.image_id}/planes").status_code == 200
        assert pages.post("/v1/microscopes", json={"name": "new"}).status_code == 403
        led_on = pages.get("/sign-in?next=/jobs")
        assert (led_on.status_code, led_on.headers["location"]) == (303, "/jobs")
    with browser(place, STAFF) as pages:
        assert {each["name"] for each in pages.get("/v1/microscopes").json()} >= {"ours", "theirs"}


def test_what_a_browser_sends_does_not_stand_in_for_the_proxys_header(place: Place) -> None:
    spoofed = {
        "Authorization": f"Bearer {place.staff_key}",
        "X-Auth-Request-Groups": "facility-staff",
        "X-Forwarded-User": "bob",
    }
    with browser(place, USER) as pages:
        assert [each["name"] for each in pages.get("/v1/microscopes", headers=spoofed).json()] == ["ours"]
    with browser(place, STRANGER) as pages:
        assert pages.get("/v1/microscopes", headers=spoofed).status_code == 401
        assert pages.get("/jobs", headers=spoofed).status_code == 302
    with browser(place, NO_GROUP) as pages:
        assert pages.get("/v1/microscopes", headers=spoofed).status_code == 401
        assert pages.get("/jobs", headers=spoofed).headers["location"].startswith("/sign-in?next=")


def test_pages_of_other_sites_cannot_act_for_whoever_has_signed_in(place: Place) -> None:
    microscope = {"name": "forged"}
    with browser(place, STAFF) as pages:
        for headers in ({"Origin": "https://evil.example.org"}, {"Sec-Fetch-Site": "cross-site"}):
            assert pages.post("/v1/microscopes", json=microscope, headers=headers).status_code == 403
        own = {"Origin": "http://localhost", "X-ClearScope-Portal": "1"}
        assert pages.post("/v1/microscopes", json={"name": "made"}, headers=own).status_code == 201


def test_signed_links_need_no_account(place: Place) -> None:
    with browser(place, USER) as pages:
        made = pages.post(f"/v1/images/{place.image_id}/zarr").json()
    path = httpx.URL(made["href"]).path
    with browser(place, STRANGER) as pages:
        assert pages.get(f"{path}/.zattrs").status_code == 200
        assert pages.get(f"{path.replace('/zarr/', '/zarr/0')}/.zattrs").status_code == 401


def test_a_revoked_key_is_told_on_the_page_to_sign_in(place: Place) -> None:
    with place.application.client(place.staff_key) as api:
        (key,) = [each for each in api.get("/v1/keys").json() if each["name"] == "users"]
        api.post(f"/v1/keys/{key['id']}/revoke").raise_for_status()
    with browser(place, USER) as pages:
        deadline_s = time.monotonic() + 30
        while "was revoked" not in pages.get("/sign-in?next=/jobs").text:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
