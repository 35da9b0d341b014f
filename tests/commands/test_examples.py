"""The examples run as they are told to be run, and their own checks hold."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
def test_a_day_at_a_facility() -> None:
    """Every step checks itself with assertions; a line is printed for each that held."""
    command = [sys.executable, str(EXAMPLES / "facility_day.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[:2] for line in done.stdout.splitlines()] == ["ok"] * 9
