"""The examples run as they are told to be run, and their own checks hold."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import migrated_postgres_url
from tests.support.keyed_server import make_key
from tests.support.server_process import ServerProcess
from tests.support.services import Postgres

EXAMPLES = Path(__file__).parents[2] / "examples"


STEPS = 9
"""Every step checks itself with assertions; a line is printed for each that held."""


def _day(*arguments: str) -> list[str]:
    command = [sys.executable, str(EXAMPLES / "facility_day.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line[:2] for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_a_day_at_a_facility() -> None:
    assert _day() == ["ok"] * STEPS


@pytest.mark.slow
def test_the_same_day_with_keys_and_postgresql(tmp_path: Path, postgres_service: Postgres) -> None:
    """The last step has a key that is bound to one of the two microscopes."""
    server = ServerProcess(tmp_path / "data", database_url=migrated_postgres_url(postgres_service))
    server.start()
    try:
        assert _day(server.url, make_key(server, "chief", "--scope", "admin")) == ["ok"] * (STEPS + 1)
    finally:
        server.stop()
