"""API keys: authentication, scopes, expiry."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.http.authentication import REFUSALS_PER_MINUTE
from models_store.database.tables import ApiKey
from models_store.repositories import api_keys
from tests.support.answers import problem, wait_for_status
from tests.support.application import Application, MakeApplication
from tests.support.commands import clearscope
from tests.support.posted_jobs import post, upload
from tests.support.published_files import npz

SCOPES = ("read", "submit", "calibrate", "admin")
READ_BY_FEWER = {"/v1/keys": ["admin"], "/v1/uploads/{upload_id}": ["submit"]}


@pytest.fixture(scope="module")
def tokens(application: Application, api: httpx.Client) -> dict[str, str]:
    """One key per scope."""
    made = {scope: application.make_key(scope, scope) for scope in SCOPES}
    wait_for_status(api, "/v1/jobs", 401)
    return made


def keys(application: Application, *arguments: str, code: int = 0) -> str:
    """Run `clearscope keys` on the application's database; return its output."""
    return clearscope("keys", *arguments, code=code, data_dir=str(application.settings.data_dir))


def test_as_soon_as_there_is_a_key_every_request_needs_one(
    tmp_path: Path, make_application: MakeApplication
) -> None:
    application = make_application()
    with application.client() as api:
        assert api.get("/v1/jobs").status_code == 200
        assert {} in api.get("/openapi.json").json()["paths"]["/v1/jobs"]["get"]["security"]
        token = application.make_key("first")
        refused = wait_for_status(api, "/v1/jobs", 401)
        assert "Bearer" in problem(refused, 401, "unauthenticated")
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert api.get("/metrics").status_code == 401
        assert api.get("/v1/no-such-thing").status_code == 401
        for path in ("/healthz", "/readyz", "/openapi.json", "/docs"):
            assert api.get(path).status_code in {200, 503}, path
        security = api.get("/openapi.json").json()["paths"]["/v1/jobs"]["get"]["security"]
        assert security == [{"API key": ["read"]}]
        clearscope("keys", "revoke", "first", data_dir=str(tmp_path / "data"))
        assert api.get("/v1/jobs").status_code == 401
    with application.client(token) as api:
        assert "revoked" in problem(wait_for_status(api, "/v1/jobs", 401), 401, "unauthenticated")


def test_keys_do_not_migrate_a_database_that_servers_share(tmp_path: Path) -> None:
    shared = {"data_dir": str(tmp_path / "data"), "broker_url": "redis://127.0.0.1:9/0"}
    assert "clearscope migrate" in clearscope("keys", "create", "early", code=1, **shared)


@pytest.mark.parametrize(
    "credentials",
    ["", "Bearer", "Bearer x", "Bearer cs_0_1", f"Bearer cs_{'0' * 12}_{'0' * 64}", "Basic YTpi"],
)
def test_malformed_keys_are_refused(
    application: Application, tokens: dict[str, str], credentials: str
) -> None:
    assert tokens
    with application.client() as api:
        answer = api.get("/v1/jobs", headers={"Authorization": credentials})
    assert problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"]


def test_a_wrong_secret_is_refused(application: Application, tokens: dict[str, str]) -> None:
    token = tokens["read"]
    wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
    with application.client(token) as api, application.client(wrong) as stranger:
        assert api.get("/v1/jobs").status_code == 200
        assert stranger.get("/v1/jobs").status_code == 401


def test_only_a_digest_of_the_secret_is_stored(application: Application, tokens: dict[str, str]) -> None:
    secret = tokens["read"].rpartition("_")[2]
    assert len(bytes.fromhex(secret)) * 8 >= 256
    for path in application.settings.data_dir.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path
    with application.database.read() as session:
        prefixes = set(session.scalars(select(ApiKey.prefix)))
    assert tokens["read"].split("_")[1] in prefixes
    listed = keys(application, "list")
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
    ("POST", "/v1/networks/import"): {"calibrate"},
    ("POST", "/v1/noise-models/nm_none/activate"): {"calibrate"},
    ("POST", "/v1/microscopes/none/profiles"): {"calibrate"},
    ("POST", "/v1/microscopes"): set(),
}

JSON_PATHS = ("/v1/jobs", "/v1/microscopes")


@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_allows_its_routes_and_no_others(
    application: Application, tokens: dict[str, str], scope: str
) -> None:
    with application.client(tokens[scope]) as api:
        for (method, path), scopes in ALLOWED.items():
            body: dict[str, Any] = {"json": {}} if path.startswith(JSON_PATHS) else {}
            answer = api.request(method, path, **body)
            if scope in scopes | {"admin"}:
                assert answer.status_code not in {401, 403}, f"{path}: {answer.text}"
            else:
                assert next(iter(scopes or {"admin"})) in problem(answer, 403, "forbidden")


def test_every_route_says_which_scope_it_needs(application: Application, tokens: dict[str, str]) -> None:
    assert tokens
    with application.client() as api:
        document = api.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["API key"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if path in {"/healthz", "/readyz"}:
                assert "security" not in operation
                continue
            scopes = operation["security"][0]["API key"]
            reads = ["read"] if method == "get" else scopes
            assert scopes == READ_BY_FEWER.get(path, reads), f"{method} {path}"
            assert scopes[0] in SCOPES, f"{method} {path}"
            # Links show no more than their key may read.
            links = path.endswith("/zarr") or "/links/" in path
            assert method == "get" or scopes != ["read"] or links, f"{method} {path}"


def test_a_noise_model_fit_needs_calibrate(application: Application, tokens: dict[str, str]) -> None:
    spec = {"kind": "bootstrap_noise_model", "image_ids": ["img_none"], "network": "net_none"}
    with application.client(tokens["submit"]) as api:
        assert "calibrate" in problem(api.post("/v1/jobs", json=spec), 403, "forbidden")
        calibration = {"kind": "fit_noise_model", "image_ids": ["img_none"]}
        assert "calibrate" in problem(api.post("/v1/jobs", json=calibration), 403, "forbidden")
        assert api.post("/v1/jobs", json={**spec, "kind": "predict"}).status_code == 404
    with application.client(tokens["calibrate"]) as api:
        assert api.post("/v1/noise-models/import", content=npz()).status_code == 201


def test_a_key_expires(application: Application, tokens: dict[str, str]) -> None:
    assert tokens
    token = application.make_key("guest", expires_at=datetime.now(UTC) + timedelta(days=1))
    with application.client(token) as api:
        assert api.get("/v1/jobs").status_code == 200
        with application.database.write() as session:
            past = datetime.now(UTC) - timedelta(seconds=1)
            session.execute(update(ApiKey).where(ApiKey.name == "guest").values(expires_at=past))
        wait_for_status(api, "/v1/jobs", 401)
        assert "expired" in problem(api.get("/v1/jobs"), 401, "unauthenticated")
    assert "expired" in keys(application, "list")


def test_the_last_use_is_recorded_but_not_every_use(application: Application, tokens: dict[str, str]) -> None:
    assert tokens
    token = application.make_key("counted")
    writes: set[datetime | None] = set()
    with application.client(token) as api:
        for _ in range(20):
            api.get("/v1/jobs").raise_for_status()
            with application.database.read() as session:
                writes.add(session.scalar(select(ApiKey.last_used_at).where(ApiKey.name == "counted")))
    assert len(writes) <= 2
    assert None not in writes


def test_keys_are_named_once_and_revoked_once(application: Application, tokens: dict[str, str]) -> None:
    assert "read" in tokens
    assert "another name" in keys(application, "create", "read", code=1)
    assert "keys list" in keys(application, "revoke", "nobody", code=1)
    lost = ("create", "lost", "--microscope", "nowhere")
    assert "no microscope 'nowhere'" in keys(application, *lost, code=1)


def test_answers_carry_security_headers(application: Application, tokens: dict[str, str]) -> None:
    with application.client(tokens["read"]) as api:
        for path in ("/v1/jobs", "/v1/jobs/none", "/healthz", "/docs"):
            headers = api.get(path).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "strict-transport-security" not in headers
            assert "access-control-allow-origin" not in headers
        policy = api.get("/docs").headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_the_docs_page_needs_nothing_from_other_servers(application: Application) -> None:
    with application.client() as api:
        page = api.get("/docs").text
        sources = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page)
        assert len(sources) == 3
        for source in sources:
            assert api.get(source).status_code == 200, source
        assert "SwaggerUIBundle" in api.get("/docs/assets/swagger-ui-bundle.js").text
        assert "://" not in page


def test_other_sites_and_host_names_are_allowed_only_by_settings(make_application: MakeApplication) -> None:
    application = make_application(
        cors_origins="https://portal.example.org",
        allowed_hosts="clearscope.example.org,*.internal.example.org,localhost",
        hsts_max_age_s=31_536_000,
    )
    with application.client() as api:
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


def test_the_id_of_a_key_goes_before_the_prefix_and_name_of_others(make_application: MakeApplication) -> None:
    application = make_application()
    with application.database.write() as session:
        meant, _ = api_keys.create_key(session, name="meant", scopes=(), now=application.clock())
        for name in (meant.id, meant.prefix):
            # As before such names were refused.
            other, _ = api_keys.create_key(session, name="other", scopes=(), now=application.clock())
            other.name = name
            session.flush()
        for named, of in ((meant.id, "meant"), (meant.id, meant.id), (meant.prefix, meant.prefix)):
            assert api_keys.revoke_key(session, named, application.clock()).name == of


def test_guessing_keys_is_rate_limited_without_affecting_known_keys(
    make_application: MakeApplication,
) -> None:
    application = make_application()
    known = application.make_key("known")
    with application.client(known) as api:
        assert api.get("/v1/jobs").status_code == 200
    looked_up: list[str] = []
    find_key = api_keys.find_key

    def counted(session: Session, prefix: str) -> ApiKey | None:
        looked_up.append(prefix)
        return find_key(session, prefix)

    with pytest.MonkeyPatch.context() as patch, application.client() as api:
        patch.setattr(api_keys, "find_key", counted)
        guesses = [f"cs_{number:012x}_{'0' * 64}" for number in range(REFUSALS_PER_MINUTE + 20)]
        answers = [api.get("/v1/jobs", headers={"Authorization": f"Bearer {guess}"}) for guess in guesses]
    assert [answer.status_code for answer in answers] == [401] * REFUSALS_PER_MINUTE + [429] * 20
    assert "unknown API keys" in problem(answers[-1], 429, "too-many-requests")
    assert int(answers[-1].headers["retry-after"]) > 0
    assert len(looked_up) == REFUSALS_PER_MINUTE
    # A known key still works from the same address.
    with application.client(known) as api:
        assert api.get("/v1/jobs").status_code == 200


def test_only_keys_that_may_post_a_fit_may_retry_it(
    application: Application, tokens: dict[str, str], tmp_path: Path
) -> None:
    frames = np.random.default_rng(1).poisson(50, (3, 32, 32)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "frames.tif", frames, photometric="minisblack")
    with application.client(tokens["admin"]) as api, application.client(tokens["submit"]) as submitter:
        stack = upload(api, tmp_path / "frames.tif", role="calibration")
        job_id = post(api, kind="fit_noise_model", image_ids=[stack])["id"]
        api.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
        assert "calibrate" in problem(submitter.post(f"/v1/jobs/{job_id}/retry"), 403, "forbidden")
        assert api.post(f"/v1/jobs/{job_id}/retry").status_code == 202
