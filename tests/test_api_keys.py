"""API keys: who gets in, with what scopes, for how long."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from models_store.database.engines import Database
from models_store.database.tables import ApiKey
from tests.keyed_server import clearscope_keys, client, make_key, problem, wait_for_status
from tests.server_process import ServerProcess
from tests.test_api_registry import npz
from tests.test_cli import clearscope

SCOPES = ("read", "submit", "calibrate", "admin")


@pytest.fixture(scope="module")
def tokens(server: ServerProcess) -> dict[str, str]:
    """A key for each scope."""
    made = {scope: make_key(server, scope, "--scope", scope) for scope in SCOPES}
    with client(server) as api:
        wait_for_status(api, "/v1/jobs", 401)
    return made


@pytest.fixture
def database(server: ServerProcess) -> Iterator[Database]:
    opened = Database(f"sqlite:///{server.data_dir / 'clearscope.db'}")
    yield opened
    opened.dispose()


def test_as_soon_as_there_is_a_key_every_request_needs_one(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data")
    server.start()
    try:
        with client(server) as api:
            assert api.get("/v1/jobs").status_code == 200
            assert {} in api.get("/openapi.json").json()["paths"]["/v1/jobs"]["get"]["security"]
            token = make_key(server, "first")
            refused = wait_for_status(api, "/v1/jobs", 401)
            assert "Bearer" in problem(refused, 401, "unauthenticated")
            assert refused.headers["www-authenticate"].startswith("Bearer")
            assert api.get("/metrics").status_code == 401
            assert api.get("/v1/no-such-thing").status_code == 401
            for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
                assert api.get(path).status_code in {200, 503}, path
            assert api.get("/openapi.json").json()["paths"]["/v1/jobs"]["get"]["security"] == [
                {"API key": ["read"]}
            ]
            clearscope_keys(server, "revoke", "first")
            assert api.get("/v1/jobs").status_code == 401
        with client(server, token) as api:
            wait_for_status(api, "/v1/jobs", 401)
            assert "revoked" in problem(api.get("/v1/jobs"), 401, "unauthenticated")
    finally:
        server.stop()


def test_keys_do_not_migrate_a_database_that_servers_share(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", broker_url="redis://127.0.0.1:9/0")
    assert "clearscope migrate" in clearscope_keys(server, "create", "early", code=1)


def test_a_server_with_keys_may_listen_to_everyone(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", host="0.0.0.0")  # noqa: S104  # that is the point
    make_key(server, "facility")
    server.start()
    try:
        with client(server) as api:
            assert api.get("/v1/jobs", headers={"Host": "clearscope.example.org"}).status_code == 401
    finally:
        server.stop()


@pytest.mark.parametrize(
    "credentials",
    ["", "Bearer", "Bearer x", "Bearer cs_0_1", f"Bearer cs_{'0' * 12}_{'0' * 64}", "Basic YTpi"],
)
def test_what_is_no_key_is_refused(server: ServerProcess, tokens: dict[str, str], credentials: str) -> None:
    assert tokens
    with client(server) as api:
        answer = api.get("/v1/jobs", headers={"Authorization": credentials})
    assert problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"]


def test_a_wrong_secret_is_refused(server: ServerProcess, tokens: dict[str, str]) -> None:
    token = tokens["read"]
    wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
    with client(server, token) as api, client(server, wrong) as stranger:
        assert api.get("/v1/jobs").status_code == 200
        assert stranger.get("/v1/jobs").status_code == 401


def test_only_a_digest_of_the_secret_is_kept(
    server: ServerProcess, tokens: dict[str, str], database: Database
) -> None:
    secret = tokens["read"].rpartition("_")[2]
    assert len(bytes.fromhex(secret)) * 8 >= 256
    for path in server.data_dir.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    assert secret.encode() not in server.log.read_bytes()
    with database.read() as session:
        prefixes = set(session.scalars(select(ApiKey.prefix)))
    assert tokens["read"].split("_")[1] in prefixes
    listed = clearscope_keys(server, "list")
    assert "calibrate" in listed
    assert secret not in listed


ALLOWED = {
    ("GET", "/v1/images"): {"read"},
    ("GET", "/metrics"): {"read"},
    ("POST", "/v1/images?filename=a.tif"): {"submit"},
    ("DELETE", "/v1/images/img_none"): {"submit"},
    ("POST", "/v1/jobs"): {"submit"},
    ("POST", "/v1/jobs/job_none/cancel"): {"submit"},
    ("POST", "/v1/jobs/job_none/retry"): {"submit"},
    ("POST", "/v1/noise-models/import"): {"calibrate"},
    ("POST", "/v1/noise-models/nm_none/activate"): {"calibrate"},
    ("POST", "/v1/microscopes/none/profiles"): {"calibrate"},
    ("POST", "/v1/microscopes"): set(),
}

JSON_PATHS = ("/v1/jobs", "/v1/microscopes")


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_allows_its_routes_and_no_others(
    server: ServerProcess, tokens: dict[str, str], scope: str
) -> None:
    with client(server, tokens[scope]) as api:
        for (method, path), scopes in ALLOWED.items():
            body: dict[str, Any] = {"json": {}} if path.startswith(JSON_PATHS) else {}
            answer = api.request(method, path, **body)
            if scope in scopes | {"admin"}:
                assert answer.status_code not in {401, 403}, f"{path}: {answer.text}"
            else:
                assert next(iter(scopes or {"admin"})) in problem(answer, 403, "forbidden")


def test_every_route_says_which_scope_it_needs(server: ServerProcess, tokens: dict[str, str]) -> None:
    assert tokens
    with client(server) as api:
        document = api.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["API key"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path in {"/healthz", "/readyz"}:
                assert "security" not in operation
                continue
            scopes = operation["security"][0]["API key"]
            assert scopes == ["read"] if method == "get" else scopes[0] in SCOPES, f"{method} {path}"
            assert method == "get" or scopes != ["read"], f"{method} {path}"


def test_a_noise_model_fit_needs_calibrate(server: ServerProcess, tokens: dict[str, str]) -> None:
    spec = {"kind": "bootstrap_noise_model", "image_ids": ["img_none"], "network": "net_none"}
    with client(server, tokens["submit"]) as api:
        assert "calibrate" in problem(api.post("/v1/jobs", json=spec), 403, "forbidden")
        calibration = {"kind": "fit_noise_model", "image_ids": ["img_none"]}
        assert "calibrate" in problem(api.post("/v1/jobs", json=calibration), 403, "forbidden")
        assert api.post("/v1/jobs", json={**spec, "kind": "predict"}).status_code == 404
    with client(server, tokens["calibrate"]) as api:
        assert api.post("/v1/noise-models/import", content=npz()).status_code == 201


def test_a_key_expires(server: ServerProcess, tokens: dict[str, str], database: Database) -> None:
    assert tokens
    token = make_key(server, "guest", "--expires-days", "1")
    with client(server, token) as api:
        assert api.get("/v1/jobs").status_code == 200
        with database.write() as session:
            past = datetime.now(UTC) - timedelta(seconds=1)
            session.execute(update(ApiKey).where(ApiKey.name == "guest").values(expires_at=past))
        wait_for_status(api, "/v1/jobs", 401)
        assert "expired" in problem(api.get("/v1/jobs"), 401, "unauthenticated")
    assert "expired" in clearscope_keys(server, "list")


def test_the_last_use_is_recorded_but_not_each(
    server: ServerProcess, tokens: dict[str, str], database: Database
) -> None:
    assert tokens
    token = make_key(server, "counted")
    writes: set[datetime | None] = set()
    with client(server, token) as api:
        for _ in range(20):
            api.get("/v1/jobs").raise_for_status()
            with database.read() as session:
                writes.add(session.scalar(select(ApiKey.last_used_at).where(ApiKey.name == "counted")))
    assert len(writes) <= 2
    assert None not in writes


def test_keys_are_named_once_and_revoked_once(server: ServerProcess, tokens: dict[str, str]) -> None:
    assert "read" in tokens
    assert "another name" in clearscope_keys(server, "create", "read", code=1)
    assert "keys list" in clearscope_keys(server, "revoke", "nobody", code=1)
    assert "no microscope 'nowhere'" in clearscope_keys(
        server, "create", "lost", "--microscope", "nowhere", code=1
    )


def test_the_client_shows_its_key(server: ServerProcess, tokens: dict[str, str], noisy_tiff: Path) -> None:
    arguments = ("submit", noisy_tiff, "--server", server.url)
    assert "API key" in clearscope(*arguments, code=1)
    output = clearscope(*arguments, "--key", tokens["submit"])
    with client(server, tokens["admin"]) as api:
        assert api.post(f"/v1/jobs/{output.split()[1]}/cancel").status_code == 200


def test_answers_carry_security_headers(server: ServerProcess, tokens: dict[str, str]) -> None:
    with client(server, tokens["read"]) as api:
        for path in ("/v1/jobs", "/v1/jobs/none", "/healthz", "/docs"):
            headers = api.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "strict-transport-security" not in headers
            assert "access-control-allow-origin" not in headers
        policy = api.get("/docs").headers["content-security-policy"]
    assert "script-src https://cdn.jsdelivr.net 'sha256-" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


PREFLIGHT = {"Method": "POST", "Headers": "authorization"}


def test_other_sites_and_names_are_let_in_by_setting_only(tmp_path: Path) -> None:
    server = ServerProcess(
        tmp_path / "data",
        cors_origins="https://portal.example.org",
        allowed_hosts="clearscope.example.org,*.internal.example.org",
        hsts_max_age_s="31536000",
    )
    server.start()
    try:
        with client(server) as api:
            asked = {
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization",
            }
            for origin, allowed in [("https://portal.example.org", True), ("https://evil.example", False)]:
                preflight = api.options("/v1/jobs", headers={"Origin": origin, **asked})
                answer = api.get("/v1/jobs", headers={"Origin": origin})
                for each in (preflight, answer):
                    assert each.headers.get("access-control-allow-origin") == (origin if allowed else None)
                assert "access-control-allow-credentials" not in answer.headers
            for host, status in [
                ("clearscope.example.org", 200),
                ("a.internal.example.org:80", 200),
                ("evil.example", 400),
            ]:
                assert api.get("/healthz", headers={"Host": host}).status_code == status, host
            assert "max-age=31536000" in api.get("/healthz").headers["strict-transport-security"]
    finally:
        server.stop()
