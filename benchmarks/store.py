"""Lists and claims in a table of 100,000 jobs compared with a small one, on SQLite and PostgreSQL.

The small table is just large enough for each query to find the same number of rows, so that only the search
time differs.
"""

import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.table import Table
from sqlalchemy import event, insert, text
from sqlalchemy.orm import Session

from models_store.contracts.vocabulary import JobState, Queue
from models_store.database.engines import Database
from models_store.database.schema import migrate
from models_store.database.tables import Job, JobDependency
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.rows import list_jobs
from models_store.repositories.pages import PageRequest
from tests.support.services import Postgres

JOBS = 100_000
FEW_JOBS = 3_000
STAGES = 4
REPEATS = 30
START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(minutes=1)
# States of a hundred posted jobs: most succeeded, some queued, some failed.
STATES = [JobState.SUCCEEDED] * 60 + [JobState.QUEUED] * 30 + [JobState.FAILED] * 9 + [JobState.RUNNING]
KINDS = ["denoise", "train", "predict", "denoise", "bootstrap_noise_model"]

Operation = Callable[[Session], object]


@dataclass(frozen=True)
class Timed:
    what: str
    few_ms: float
    many_ms: float
    plans: list[str]


def measure() -> Iterator[tuple[str, list[Timed]]]:
    """Yield the name and figures of each kind of database."""
    for name, opened in DATABASES.items():
        with opened("few") as few, opened("many") as many:
            posted = {
                id(database): fill(database, jobs) for database, jobs in ((few, FEW_JOBS), (many, JOBS))
            }
            timed = []
            for what in operations(1):
                on_few, on_many = (operations(posted[id(database)])[what] for database in (few, many))
                # Alternating, so that both see the same machine load.
                times = [(time_ms(few, on_few), time_ms(many, on_many)) for _ in range(REPEATS)]
                few_ms, many_ms = (statistics.median(each) for each in zip(*times, strict=True))
                plans = [explain(many, *statement) for statement in statements(many, on_many)]
                timed.append(Timed(what, few_ms, many_ms, plans))
            yield name, timed


def table(name: str, timed: list[Timed]) -> Table:
    rendered = Table(
        "operation",
        f"{FEW_JOBS:,} jobs",
        f"{JOBS:,} jobs",
        "ratio",
        "indexes used",
        title=f"Jobs in {name}, median of {REPEATS}",
    )
    for row in timed:
        ratio = f"{row.many_ms / row.few_ms:.2f}"
        rendered.add_row(
            row.what, f"{row.few_ms:.2f} ms", f"{row.many_ms:.2f} ms", ratio, ", ".join(_indexes(row.plans))
        )
    return rendered


def plans(name: str, timed: list[Timed]) -> str:
    """Render the query plans."""
    quoted = [f"{name}: {row.what}\n" + "\n".join(row.plans) for row in timed]
    return "\n\n".join(quoted)


def operations(posted: int) -> dict[str, Operation]:
    """Return the measured operations for a table of `posted` posted jobs: lists and claims, by name."""

    def listing(cursor: str | None = None, limit: int = 50, **filters: Any) -> Operation:  # noqa: ANN401  # state, kind
        return lambda session: list_jobs(session, PageRequest(limit, cursor), **filters)

    middle = (START + timedelta(seconds=posted // 2) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )
    deep = f"{middle}.job_0"
    return {
        "list, first page": listing(),
        "list, deep cursor": listing(deep),
        "list, queued": listing(state=JobState.QUEUED),
        "list, failed, deep cursor": listing(deep, limit=20, state=JobState.FAILED),
        "list, train": listing(kind="train"),
        "list, train, failed": listing(limit=5, kind="train", state=JobState.FAILED),
        "next ready (gpu)": lambda session: lifecycle.next_ready(session, [Queue.GPU]),
        "next ready (gpu, cpu)": lambda session: lifecycle.next_ready(session, list(Queue)),
        "claim": _claim_next,
    }


def fill(database: Database, jobs: int) -> int:
    """Bulk-insert `jobs` rows, every second posted job a composite of four; return the number posted."""
    posted_jobs = jobs // (1 + STAGES // 2)
    rows: list[dict[str, Any]] = []
    dependencies: list[dict[str, str]] = []
    for number in range(posted_jobs):
        state = STATES[number * 37 % 100]
        composite = number % 2 == 0
        kind = "denoise" if composite else KINDS[number // 2 % len(KINDS)]
        posted = _row(f"job_{number:08}", number, kind=kind, state=state, composite=composite)
        rows.append(posted)
        for position in range(STAGES if composite else 0):
            stage = _row(f"job_{number:08}_{position}", number, kind="train", state=state, position=position)
            rows.append(stage | {"parent_id": posted["id"], "queue": Queue.GPU})
            if position:
                predecessor = f"job_{number:08}_{position - 1}"
                dependencies.append({"job_id": stage["id"], "depends_on_id": predecessor})
    with database.write() as session:
        for start in range(0, len(rows), 5000):
            session.execute(insert(Job), rows[start : start + 5000])
        for start in range(0, len(dependencies), 5000):
            session.execute(insert(JobDependency), dependencies[start : start + 5000])
    with database.engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
    return posted_jobs


def statements(database: Database, operation: Operation) -> list[tuple[str, Any]]:
    """Return the SELECT and UPDATE statements on jobs that an operation executes; roll it back."""
    executed: list[tuple[str, Any]] = []

    def record(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:  # noqa: ANN401  # driver-specific
        if "job" in statement and statement.startswith(("SELECT", "UPDATE")):
            executed.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", record)
    try:
        with database.read() as session:
            operation(session)
    finally:
        event.remove(database.engine, "before_cursor_execute", record)
    return executed


def explain(database: Database, statement: str, parameters: Any) -> str:  # noqa: ANN401  # driver-specific
    """Return the query plan of a statement; PostgreSQL executes it for that."""
    sqlite = database.engine.dialect.name == "sqlite"
    command = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN ANALYZE"
    with database.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"{command} {statement}", parameters).all()
        connection.rollback()
    return "\n".join(str(row[-1]) for row in plan)


def _row(
    job_id: str, number: int, *, kind: str, state: JobState, position: int = 0, composite: bool = False
) -> dict[str, Any]:
    moment = START + timedelta(seconds=number)
    return {
        "id": job_id,
        "kind": kind,
        "spec": {},
        "state": state,
        "queue": Queue.CPU if composite else Queue.GPU,
        "composite": composite,
        "parent_id": None,
        "position": position,
        "stage": kind,
        "weight": 1.0,
        "plan": [],
        "progress": 0.0,
        "status": "",
        "attempt": 0,
        "crashes": 0,
        "crash_progress": 0.0,
        "trace": {},
        "result": {},
        "created_at": moment,
        "lease_until": moment if state is JobState.RUNNING else None,
    }


def _claim_next(session: Session) -> None:
    job_id = lifecycle.next_ready(session, [Queue.GPU])
    if job_id is None or not lifecycle.claim(session, job_id, worker="w", now=START, lease=LEASE):
        raise RuntimeError("there is no job to claim")


def time_ms(database: Database, operation: Operation) -> float:
    """Return the time of an operation, whose changes are rolled back."""
    with database.read() as session:
        session.connection()
        started_s = time.perf_counter()
        operation(session)
        return (time.perf_counter() - started_s) * 1000


def _indexes(plans: list[str]) -> list[str]:
    """Return the indexes that plans use, and the sequential scans in them."""
    matches = [
        re.findall(r"\b(?:[ip]x|pk)_\w+|sqlite_autoindex_\w+|Seq Scan on \w+|SCAN \w+$", plan)
        for plan in plans
    ]
    return sorted({name for names in matches for name in names})


@contextmanager
def _sqlite(name: str) -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / name}.db")
        migrate(database)
        yield database
        database.dispose()


@contextmanager
def _postgresql(name: str) -> Iterator[Database]:
    service = Postgres()
    service.start()
    try:
        database = Database(service.create_database(name), timeout_s=60.0)
        migrate(database)
        yield database
        database.dispose()
    finally:
        service.remove()


DATABASES = {"SQLite": _sqlite, "PostgreSQL": _postgresql}
"""Opens a new database of each kind, by name."""
