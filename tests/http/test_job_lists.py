"""Lists of jobs: the same documents as one by one, at the price of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
from sqlalchemy import event

from tests.support.application import Application, MakeApplication
from tests.support.posted_jobs import TINY, Document, post, upload


@contextmanager
def counted_statements(application: Application) -> Iterator[list[str]]:
    statements: list[str] = []

    def count(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    event.listen(application.database.engine, "before_cursor_execute", count)
    yield statements
    event.remove(application.database.engine, "before_cursor_execute", count)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stack whose prediction is divided into parts."""
    path = tmp_path_factory.mktemp("images") / "stack.tif"
    tifffile.imwrite(path, np.random.default_rng(0).poisson(50, (6, 64, 64)).astype(np.uint16))
    return path


def test_a_list_holds_the_documents_of_its_jobs_in_as_many_statements(
    make_application: MakeApplication, stack: Path
) -> None:
    application = make_application(part_pixels=64 * 64)
    with application.client() as api:
        spec = {"kind": "denoise", "image_ids": [upload(api, stack)], "budget": TINY}
        post(api, **spec)
        with counted_statements(application) as for_one:
            (alone,) = api.get("/v1/jobs").json()
        assert _predict(alone)["parts"] == {"done": 0, "total": 6}
        for _ in range(4):
            post(api, **spec)
        with counted_statements(application) as for_five:
            listed = api.get("/v1/jobs").json()
        assert len(listed) == 5
        assert len(for_five) == len(for_one)
        for document in listed:
            assert document == api.get(f"/v1/jobs/{document['id']}").json()


def _predict(document: Document) -> Document:
    stage: Document = next(stage for stage in document["stages"] if stage["stage"] == "predict")
    return stage
