"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real microscope data (CLEARSCOPE_TEST_DATA); tests that need it skip without it."""
    folder = os.environ.get("CLEARSCOPE_TEST_DATA")
    if not folder:
        pytest.skip("CLEARSCOPE_TEST_DATA does not name the folder of real test data")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def golden(test_data: Path) -> Path:
    """Values computed with the published PN2V code."""
    return test_data.parent / "golden"
