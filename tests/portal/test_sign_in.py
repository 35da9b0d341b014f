"""Signing in with a key, what the browser keeps, and forged requests."""

from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

import httpx
import pytest

from tests.support.answers import problem
from tests.support.application import Application, MakeApplication

FROM_PORTAL = {"X-ClearScope-Portal": "1"}


@pytest.fixture(scope="module")
def key(keyed: Application) -> str:
    """A key that may read and submit."""
    return keyed.make_key("submits", "read", "submit")


def sign_in(browser: httpx.Client, key: str, **fields: str) -> httpx.Response:
    return browser.post("/sign-in", data={"key": key, **fields})


def test_pages_without_a_key_lead_to_sign_in_and_back(visitor: httpx.Client, key: str) -> None:
    refused = visitor.get("/?tab=a&b=c")
    assert refused.status_code == 303
    assert refused.headers["location"] == "/sign-in?next=%2F%3Ftab%3Da%26b%3Dc"
    form = visitor.get(refused.headers["location"])
    assert form.status_code == 200
    assert 'value="/?tab=a&amp;b=c"' in form.text
    accepted = sign_in(visitor, key, next="/?tab=a&b=c")
    assert accepted.status_code == 303
    assert accepted.headers["location"] == "/?tab=a&b=c"
    assert visitor.get("/").status_code == 200
    assert visitor.get("/v1/jobs", headers={"Accept": "application/json"}).status_code == 200


def test_programs_without_a_key_get_a_problem(visitor: httpx.Client) -> None:
    problem(visitor.get("/", headers={"Accept": "*/*"}), 401, "unauthenticated")
    problem(visitor.get("/v1/jobs"), 401, "unauthenticated")


def test_cookie_is_out_of_reach_of_scripts_and_other_sites(visitor: httpx.Client, key: str) -> None:
    for_now = SimpleCookie(sign_in(visitor, key).headers["set-cookie"])["clearscope_key"]
    assert for_now["httponly"]
    assert for_now["samesite"] == "strict"
    assert for_now["path"] == "/"
    assert not for_now["secure"]
    assert not for_now["max-age"]
    stays = SimpleCookie(sign_in(visitor, key, stay="1").headers["set-cookie"])["clearscope_key"]
    assert stays["max-age"] == str(30 * 24 * 3600)
    encrypted = visitor.post("https://localhost/sign-in", data={"key": key})
    assert SimpleCookie(encrypted.headers["set-cookie"])["clearscope_key"]["secure"]


@pytest.mark.parametrize("odd", ['x={"a": 1}', "a[b]=1", "flag", 'y="open'])
def test_odd_cookies_of_other_programs_on_the_host_do_not_hide_the_key(
    visitor: httpx.Client, key: str, odd: str
) -> None:
    for cookies in (f"{odd}; clearscope_key={key}", f"clearscope_key={key}; {odd}"):
        assert visitor.get("/v1/jobs", headers={"Cookie": cookies}).status_code == 200


@pytest.mark.parametrize("wrong", ["", "cs_wrong", "<script>alert(1)</script>", "cs_a_b; Path=/"])
def test_wrong_key(visitor: httpx.Client, wrong: str) -> None:
    page = sign_in(visitor, wrong)
    assert page.status_code == 401
    assert 'role="alert"' in page.text
    assert "set-cookie" not in page.headers
    assert "<script>alert" not in page.text


def test_expired_key_is_explained(keyed: Application, visitor: httpx.Client) -> None:
    visitor.cookies["clearscope_key"] = keyed.make_key(
        "old", "read", expires_at=datetime.now(UTC) - timedelta(days=1)
    )
    sent_away = visitor.get("/")
    assert sent_away.status_code == 303
    assert "This API key expired at" in visitor.get(sent_away.headers["location"]).text


@pytest.mark.parametrize(
    "address", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "/a\n"]
)
def test_sign_in_leads_to_this_server_only(visitor: httpx.Client, key: str, address: str) -> None:
    assert sign_in(visitor, key, next=address).headers["location"] == "/"


def test_sign_out(visitor: httpx.Client, key: str) -> None:
    sign_in(visitor, key)
    answer = visitor.post("/sign-out")
    assert (answer.headers["location"], answer.headers["clear-site-data"]) == ("/sign-in", '"cache"')
    assert "clearscope_key" not in visitor.cookies
    assert visitor.get("/").status_code == 303


def test_changes_with_the_cookie_need_the_portals_header(visitor: httpx.Client, key: str) -> None:
    sign_in(visitor, key)
    refused = problem(visitor.delete("/v1/images/img_1"), 403, "forbidden")
    assert "X-ClearScope-Portal: 1" in refused
    problem(visitor.delete("/v1/images/img_1", headers=FROM_PORTAL), 404, "not-found")


FROM_ELSEWHERE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
]


@pytest.mark.parametrize("origin", FROM_ELSEWHERE)
def test_changes_from_other_sites_are_refused(
    visitor: httpx.Client, key: str, origin: dict[str, str]
) -> None:
    assert visitor.post("/sign-in", data={"key": key}, headers=origin).status_code == 403
    assert visitor.post("/sign-out", headers=origin).status_code == 403
    sign_in(visitor, key)
    problem(visitor.delete("/v1/images/img_1", headers=FROM_PORTAL | origin), 403, "forbidden")


@pytest.mark.parametrize("origin", FROM_ELSEWHERE)
def test_other_sites_change_nothing_without_keys_or_with_the_key_that_a_proxy_adds(
    browser: httpx.Client, visitor: httpx.Client, key: str, origin: dict[str, str]
) -> None:
    for path in ("/v1/images", "/v1/noise-models/import", "/v1/networks/import"):
        problem(browser.post(path, content=b"x", headers=origin), 403, "forbidden")
    by_proxy = {"Authorization": f"Bearer {key}"}
    problem(visitor.delete("/v1/images/img_1", headers=by_proxy | origin), 403, "forbidden")
    assert browser.get("/v1/jobs", headers=origin).status_code == 200


def test_changes_from_origins_that_settings_name_pass(make_application: MakeApplication) -> None:
    named = {"Sec-Fetch-Site": "cross-site", "Origin": "https://portal.example.org"}
    with make_application(cors_origins=named["Origin"]).client() as api:
        problem(api.delete("/v1/images/img_1", headers=named), 404, "not-found")
        problem(api.delete("/v1/images/img_1", headers={**named, "Origin": "null"}), 403, "forbidden")


@pytest.mark.parametrize("origin", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "https://localhost"}])
def test_changes_from_the_servers_own_pages_pass(
    visitor: httpx.Client, key: str, origin: dict[str, str]
) -> None:
    sign_in(visitor, key)
    problem(visitor.delete("/v1/images/img_1", headers=FROM_PORTAL | origin), 404, "not-found")


def test_a_sent_key_goes_before_the_cookie(visitor: httpx.Client, key: str) -> None:
    visitor.cookies["clearscope_key"] = "cs_wrong"
    answer = visitor.delete("/v1/images/img_1", headers={"Authorization": f"Bearer {key}"})
    problem(answer, 404, "not-found")


def test_navigation_shows_what_the_key_may_do(keyed: Application, visitor: httpx.Client, key: str) -> None:
    sign_in(visitor, keyed.make_key("only reads", "read"))
    assert "Sign out" in visitor.get("/").text
    assert ">Denoise</a>" not in visitor.get("/").text
    sign_in(visitor, key)
    assert ">Denoise</a>" in visitor.get("/").text


def test_a_server_without_keys_needs_no_sign_in(browser: httpx.Client) -> None:
    browser.cookies["clearscope_key"] = "cs_from_another_server"
    assert browser.get("/").status_code == 200
    assert browser.get("/sign-in").headers["location"] == "/"
