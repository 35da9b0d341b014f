"""The runner watches a job while its database is down."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from models_store.blobs.blobs import Blobs
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import Method
from models_store.database.engines import Database
from models_store.database.schema import migrate
from models_store.errors import UnavailableError
from models_store.image_files.isolation.client import Isolation
from models_store.repositories.jobs.rows import create_job, get_job
from models_store.settings import Settings
from tests.support.databases import NOON, image
from worker.attempt.messages import Warned
from worker.processes.children import Running
from worker.processes.device_watch import DeviceWatch
from worker.processes.job_store import JobStore
from worker.processes.runner import Runner


class FailingDatabase(Database):
    """Database with simulated outages."""

    away = False

    @contextmanager
    def write(self) -> Iterator[Session]:
        if self.away:
            raise UnavailableError("away")
        with super().write() as session:
            yield session


class Endless:
    """Child that does not end by itself."""

    exitcode: int | None = None

    def __init__(self) -> None:
        self.sentinel: Any = Pipe(duplex=False)[0]

    def join(self, timeout: float | None = None) -> None:
        """Do nothing: the test ends it."""


@dataclass
class EndlessChildren:
    """Children that send a warning and then compute for ever, while the database is down."""

    database: FailingDatabase
    computes: bool = False
    waited_while_it_computed: list[bool] = field(default_factory=list)

    def prepare(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    @contextmanager
    def start(self, *_: object) -> Iterator[Running]:
        messages, childs_end = Pipe(duplex=False)
        childs_end.send(Warned("noise that correlates"))
        self.database.away = self.computes = True
        yield Running(Endless(), messages)
        self.computes = False

    def waits(self, _: float) -> None:
        self.waited_while_it_computed.append(self.computes)
        self.database.away = False


class NullDispatcher:
    def notify(self, job_ids: Sequence[str]) -> None:
        """Do nothing."""


def test_recording_a_warning_does_not_wait_for_the_database(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, job_time_limit_s=0.2, heartbeat_s=0.05)
    database = FailingDatabase(f"sqlite:///{tmp_path / 'test.db'}")
    migrate(database)
    with database.write() as session:
        session.add(image("img_1"))
        spec = TrainSpec(image_ids=["img_1"], method=Method.N2V)
        create_job(session, job_id="job_1", spec=spec, profile_id=None, now=NOON)
    child = EndlessChildren(database)
    job_store = JobStore(settings, database, lambda: datetime.now(UTC), "w", threading.Event(), child.waits)
    Runner(
        settings,
        job_store,
        Blobs.of(settings),
        NullDispatcher(),
        DeviceWatch("cpu"),
        Isolation(""),
        children=child,
    ).run("job_1")
    with database.read() as session:
        job = get_job(session, "job_1")
    database.dispose()
    assert (job.state, (job.error or {})["code"]) == ("failed", "job-timeout")
    assert child.waited_while_it_computed == [False]
