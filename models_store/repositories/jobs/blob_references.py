"""References from rows to blobs."""

from collections.abc import Collection, Iterator
from datetime import datetime

from sqlalchemy import select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from models_store.contracts.vocabulary import ENDED_STATES, JobState
from models_store.database.tables import Artifact, Image, Job, Network, PartPlanes, PixelPairsRow, UploadPart

REFERENCES: tuple[InstrumentedAttribute[str], ...] = (
    Image.blob_key,
    Image.preview_key,
    Artifact.blob_key,
    Network.blob_key,
    PartPlanes.blob_key,
    PixelPairsRow.blob_key,
    UploadPart.blob_key,
)
# Their blobs are deleted as soon as work goes on, so that one is soon missing that was there a moment ago.
SHORT_LIVED = (PartPlanes, UploadPart)
PAGE_ROWS = 1000


def referenced(session: Session, keys: Collection[str]) -> set[str]:
    """Return those of the keys that a row refers to."""
    return set(session.scalars(union_all(*(select(column).where(column.in_(keys)) for column in REFERENCES))))


def at_work(session: Session, job_ids: Collection[str]) -> set[str]:
    """Return those of the jobs that have not ended; their blobs are not registered yet."""
    query = select(Job.id).where(Job.id.in_(job_ids), Job.state.not_in(ENDED_STATES))
    return set(session.scalars(query))


def may_be_retried(session: Session, job_ids: Collection[str], ended_since: datetime) -> set[str]:
    """Return those of the jobs that recently failed or were cancelled; a retry resumes their checkpoints."""
    query = select(Job.id).where(
        Job.id.in_(job_ids),
        Job.state.in_([JobState.FAILED, JobState.CANCELLED]),
        Job.ended_at >= ended_since,
    )
    return set(session.scalars(query))


def all_references(session: Session, created_before: datetime) -> Iterator[str]:
    """Iterate over the keys of all blobs that rows created before a time refer to."""
    for column, table in (
        (column, column.class_) for column in REFERENCES if column.class_ not in SHORT_LIVED
    ):
        query = select(column).where(table.created_at < created_before)
        yield from session.scalars(query.execution_options(yield_per=PAGE_ROWS))
