"""Logs of server and worker: one line per event, with its request or job, and without secrets."""

import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.serving.embedded import Wake
from models_store.blobs.blobs import Blobs
from models_store.database.engines import Database
from models_store.database.schema import migrate
from models_store.image_files.isolation.client import Isolation
from models_store.settings import LogFormat, LogLevel, Settings
from models_store.telemetry.logs import logging_context, redact, set_up_logging
from tests.support.keyed_server import client, make_key
from tests.support.observed_facility import log_lines
from tests.support.server_process import server_without_worker
from tests.support.services import Redis


@pytest.mark.parametrize("given", ["abc-1", "0af7651916cd43dd8448eb211c80319c", "a" * 128])
def test_a_valid_request_id_is_kept(api: httpx.Client, given: str) -> None:
    response = api.get("/v1/jobs/none", headers={"X-Request-ID": given})
    assert response.headers["x-request-id"] == given
    assert response.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "<script>", 'a","level":"x'])
def test_a_dangerous_request_id_is_replaced(api: httpx.Client, given: str) -> None:
    response = api.get("/v1/jobs/none", headers={"X-Request-ID": given})
    made = response.headers["x-request-id"]
    assert made != given
    assert len(made) == 32
    assert response.json()["request_id"] == made


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("postgresql+psycopg://me:hunter2@db/x", "postgresql+psycopg://***@db/x"),
        ("redis://:hunter2@redis:6379/0", "redis://***@redis:6379/0"),
        ("GET /a?api_key=hunter2&page=2", "GET /a?api_key=***&page=2"),
        ("https://b/k?X-Amz-Signature=hunter2&x=1", "https://b/k?X-Amz-Signature=***&x=1"),
        ("Authorization: Bearer hunter2hunter2", "Authorization: Bearer ***"),
        ("{'Authorization': 'Basic hunter2hunter2'}", "{'Authorization': 'Basic ***'}"),
        ("key cs_0123456789ab_hunter2 shown", "key cs_0123456789ab_*** shown"),
        ("GET /v1/jobs/job_1?page=2 of http://h/x", "GET /v1/jobs/job_1?page=2 of http://h/x"),
    ],
)
def test_secrets_are_redacted_and_nothing_else(text: str, kept: str) -> None:
    assert redact(text) == kept


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Restore the process-wide logging that the test changes."""
    root = logging.getLogger()
    before = (root.handlers, root.level, sys.excepthook, threading.excepthook)
    yield
    root.handlers, root.level, sys.excepthook, threading.excepthook = before
    logging.captureWarnings(capture=False)


@pytest.mark.usefixtures("own_logging")
@pytest.mark.parametrize("log_format", LogFormat)
def test_an_exception_is_part_of_its_line(log_format: LogFormat, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(Settings(log_format=log_format, log_level=LogLevel.INFO))
    logger = logging.getLogger("some.module")
    logger.debug("not asked for")
    with logging_context(job_id="job_1"):
        logger.error("it broke", exc_info=ValueError("at redis://:hunter2@redis"))
    written = capsys.readouterr().err
    assert "hunter2" not in written
    assert "not asked for" not in written
    assert "job_1" in written
    assert "ValueError" in written
    if log_format is LogFormat.JSON:
        (line,) = map(json.loads, written.splitlines())
        assert (line["error_type"], line["error"]) == ("ValueError", "at redis://***@redis")
        assert line["traceback"].startswith("ValueError")


@pytest.mark.usefixtures("own_logging")
def test_an_uncaught_error_of_a_thread_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(Settings(log_format=LogFormat.JSON))
    thread = threading.Thread(target={}.__getitem__, args=("missing",), name="sweeper")
    thread.start()
    thread.join()
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["level"], line["error_type"]) == ("CRITICAL", "KeyError")
    assert "sweeper" in line["message"]


@pytest.mark.usefixtures("own_logging")
def test_an_unexpected_error_is_logged_once_and_answered_with_the_request_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logging(Settings(log_format=LogFormat.JSON))
    database = Database(f"sqlite:///{tmp_path}/clearscope.db")
    migrate(database)
    app = create_app(
        Settings(data_dir=tmp_path),
        database=database,
        blobs=Blobs(tmp_path.as_uri()),
        isolation=Isolation(""),
        dispatcher=Wake(),
    )

    @app.get("/broken")
    def break_down() -> None:
        raise RuntimeError("a defect")

    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        response = client.get("/broken", headers={"X-Request-ID": "unlucky"})
    database.dispose()
    assert response.status_code == 500
    assert response.headers["x-request-id"] == "unlucky"
    assert response.json()["request_id"] == "unlucky"
    assert "a defect" not in response.text
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (error,) = [line for line in lines if line["level"] == "ERROR"]
    assert (error["request_id"], error["error_type"], error["error"]) == (
        "unlucky",
        "RuntimeError",
        "a defect",
    )
    assert "break_down" in error["traceback"]
    (access,) = [line for line in lines if line["logger"] == "app.observability.request_log"]
    assert (access["request_id"], access["status"]) == ("unlucky", 500)


def test_the_log_says_whose_request_it_was_without_the_key(tmp_path: Path, redis_service: Redis) -> None:
    server = server_without_worker(tmp_path / "data", redis_service.url, log_format="json")
    key = make_key(server, "reader", "--scope", "read")
    server.start()
    with client(server, key) as known, client(server) as unknown:
        assert known.get("/v1/images").status_code == 200
        assert unknown.get("/v1/images").status_code == 401
    server.stop()
    lines = [line for line in log_lines(server.log) if line.get("path") == "/v1/images"]
    assert {line["status"]: str(line["key_id"])[:4] for line in lines} == {200: "key_", 401: "None"}
    assert key not in server.log.read_text("utf-8")
