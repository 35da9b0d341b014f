"""Training jobs in a database, without the API."""

from datetime import datetime, timedelta

from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import JobState, Method
from models_store.database.engines import Database
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.lifecycle import Claim
from models_store.repositories.jobs.rows import create_job, get_job
from tests.support.databases import NOON

LEASE = timedelta(seconds=10)


def add_job(database: Database, job_id: str = "job_1") -> None:
    with database.write() as session:
        spec = TrainSpec(image_ids=["img_1"], method=Method.N2V)
        create_job(session, job_id=job_id, spec=spec, profile_id=None, now=NOON)


def claim(database: Database, job_id: str = "job_1", now: datetime = NOON) -> Claim | None:
    with database.write() as session:
        return lifecycle.claim(session, job_id, worker="w", now=now, lease=LEASE)


def state_of(database: Database, job_id: str) -> JobState:
    with database.read() as session:
        return get_job(session, job_id).state
