"""The page of API keys."""

import httpx

from tests.support.application import Application


def test_an_administrator_sees_all_keys_and_may_create_and_revoke(
    keyed: Application, visitor: httpx.Client
) -> None:
    visitor.cookies["clearscope_key"] = keyed.make_key("chief", "admin")
    keyed.make_key("old <PC>", "read", active_jobs=7)
    page = visitor.get("/keys").text
    assert "old &lt;PC&gt;" in page
    assert "0 of 7" in page
    assert 'data-api="/v1/keys"' in page
    assert page.count("Revoke for good: chief") == 0
    assert page.count("Revoke for good: old &lt;PC&gt;") == 1


def test_others_see_their_own_usage_alone(keyed: Application, visitor: httpx.Client) -> None:
    with keyed.client(keyed.make_key("chief of discs", "admin")) as admin:
        admin.post("/v1/microscopes", json={"name": "Disc"}).raise_for_status()
    for name, scope, microscopes in (("biologist", "submit", ()), ("bound chief", "admin", ("Disc",))):
        visitor.cookies["clearscope_key"] = keyed.make_key(name, "read", scope, microscopes=microscopes)
        page = visitor.get("/keys").text
        assert f"{name} (<code>cs_" in page
        assert "chief of discs" not in page
        assert "Create a key" not in page


def test_a_server_without_keys_tells_how_to_create_the_first(browser: httpx.Client) -> None:
    page = browser.get("/keys").text
    assert "clearscope keys create NAME --scope admin" in page
    assert "Create a key" not in page
