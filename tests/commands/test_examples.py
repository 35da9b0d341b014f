"""The examples run as they are told to be run, and their own checks hold."""

import subprocess
import sys
from pathlib import Path

import pytest

from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application
from tests.support.databases import migrated_postgres_url
from tests.support.event_streams import serving
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
def test_the_same_day_with_keys_and_postgresql(
    tmp_path: Path, isolation: Isolation, postgres_service: Postgres
) -> None:
    """The last step has a key that is bound to one of the two microscopes."""
    url = migrated_postgres_url(postgres_service)
    application = Application(tmp_path / "data", isolation, database_url=url)
    key = application.make_key("chief", "admin")
    with application.worker(), serving(application.asgi) as address:
        assert _day(address, key) == ["ok"] * (STEPS + 1)
    application.close()
