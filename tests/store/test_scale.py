"""In a large table, lists and workers find their rows through indexes."""

import re
from collections.abc import Iterator

import pytest

from benchmarks.store import explain, fill, operations, statements
from models_store.database.engines import Database
from tests.support.databases import migrated_url, opened

WHOLE_TABLE = re.compile(r"Seq Scan on job\b|^SCAN job(?! USING)", re.MULTILINE)
SORTING = re.compile(r"Sort Key|USE TEMP B-TREE FOR ORDER BY")


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, int]]:
    url = migrated_url(request.param, request, tmp_path_factory.mktemp("filled"))
    with opened(url, timeout_s=30.0) as database:
        yield database, fill(database, 4_000)


@pytest.mark.parametrize("what", operations(1))
def test_no_list_and_no_worker_reads_the_whole_table(filled: tuple[Database, int], what: str) -> None:
    database, posted = filled
    plans = [explain(database, *statement) for statement in statements(database, operations(posted)[what])]
    assert plans
    for plan in plans:
        assert not WHOLE_TABLE.search(plan), plan
    # The index returns rows in order and is read only up to the end of the page.
    assert not SORTING.search(plans[0]), plans[0]
