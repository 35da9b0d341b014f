"""Choosing and listing in a filled registry: every operation of the benchmark finds what it is to time."""

from collections.abc import Iterator

import pytest

from benchmarks.registry import SMALL, fill, operations
from models_store.database.engines import Database
from tests.support.databases import migrated_url, opened


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    url = migrated_url(request.param, request, tmp_path_factory.mktemp("registry"))
    with opened(url) as database:
        fill(database, SMALL)
        yield database


def test_the_nearest_noise_model_is_chosen_among_all(filled: Database) -> None:
    with filled.read() as session:
        exact = operations()["choose, exact profile"](session)
        nearest = operations()["choose, nearest profile"](session)
    assert exact.noise_model.profile_id == "prof_0"
    # Of those that differ in one setting, the newest profile.
    assert nearest.noise_model.profile_id == "prof_20"
    assert "whose region height is 21 instead of 2" in nearest.warning


def test_lists_are_as_long_as_a_page_and_each_profile_has_one_active_noise_model(filled: Database) -> None:
    with filled.read() as session:
        lists = {name: found(session) for name, found in operations().items() if name.endswith("models")}
        active = {each.belongs_to.profile_id for each in lists["active noise models"]}
    assert [len(found) for found in lists.values()] == [20, 20]
    assert len(active) == 20
