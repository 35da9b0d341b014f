"""The frame of all pages: navigation, policy, files and errors."""

import re

import httpx
import pytest

from app.portal.vendoring import CHECKSUMS, VENDOR, digests, libraries


def test_first_page_is_the_portal(browser: httpx.Client) -> None:
    page = browser.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<main id="content"' in page.text
    assert 'href="/docs"' in page.text


def test_a_page_allows_only_files_of_the_server(browser: httpx.Client) -> None:
    page = browser.get("/")
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*(src=|application/json))", page.text)
    assert not re.search(r'(?:src|href)="(?!/|#)', page.text)


def test_every_file_that_a_page_names_is_there(browser: httpx.Client) -> None:
    named = re.findall(r'(?:src|href)="(/portal/assets/[^"]+)"', browser.get("/").text)
    assert any(name.endswith("pico.min.css") for name in named)
    for name in named:
        answer = browser.get(name)
        assert answer.status_code == 200, name
        assert answer.headers["cache-control"] == "no-cache"
        known = {"If-None-Match": answer.headers["etag"]}
        assert browser.get(name, headers=known).status_code == 304


def test_missing_page(browser: httpx.Client) -> None:
    page = browser.get("/nothing")
    assert page.status_code == 404
    assert "<h1>Not found</h1>" in page.text
    assert 'href="/"' in page.text


@pytest.mark.parametrize(
    ("path", "accept"),
    [("/v1/jobs/none", "text/html"), ("/nothing", "*/*"), ("/nothing", "application/json")],
)
def test_programs_get_problems(browser: httpx.Client, path: str, accept: str) -> None:
    answer = browser.get(path, headers={"Accept": accept})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_address_in_an_error_is_text(browser: httpx.Client) -> None:
    page = browser.post("/sign-in", headers={"Origin": "http://<script>alert(1)</script>"})
    assert page.status_code == 403
    assert "<script>alert" not in page.text


def test_vendored_files_are_the_pinned_ones() -> None:
    assert CHECKSUMS.read_text(encoding="utf-8").splitlines() == list(digests())
    copies = {copy for library in libraries() for copy in library.copies}
    assert copies == {path for path in VENDOR.rglob("*") if path.is_file()} - {CHECKSUMS}
    for library in libraries():
        assert any("LICENSE" in copy.name for copy in library.copies), library.name
