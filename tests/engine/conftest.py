"""Runs of all stages read images in processes that the tests share."""

from collections.abc import Iterator

import pytest

from tests.support.reading_processes import shared_by_commands


@pytest.fixture(autouse=True, scope="module")
def shared_reading() -> Iterator[None]:
    with shared_by_commands():
        yield
