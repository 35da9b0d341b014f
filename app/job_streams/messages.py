"""Messages of a stream, encoded once for all who get them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi.sse import format_sse_event

from app.documents.job_activity import JobActivity
from app.documents.jobs import EventDocument
from models_store.database.visibility import Viewer
from models_store.repositories.jobs.activity import EventRow

EVENT, JOB, DELETED = "job_event", "job", "job_deleted"
"""Names of messages: something happened to a job or stage; a posted job has changed, or is gone."""


@dataclass(frozen=True)
class Subject:
    """What somebody watches: all that their key may see, or one job of it with its stages."""

    viewer: Viewer
    job_id: str | None = None

    def covers(self, job_ids: Sequence[str], microscope_id: str | None) -> bool:
        return (self.job_id is None or self.job_id in job_ids) and self.viewer.sees(microscope_id)


@dataclass(frozen=True)
class EventMessage:
    """An event. Its id in the stream is the number up to which nothing is missing, at most its own."""

    number: int
    job_ids: tuple[str, str]
    microscope_id: str | None
    content: bytes

    @classmethod
    def of(cls, row: EventRow, settled: int) -> "EventMessage":
        """Encode an event; a reader who comes again with its id gets everything after `settled`."""
        document = EventDocument(
            number=row.number, job_id=row.job_id, at=row.at, kind=row.kind, detail=row.detail
        )
        content = format_sse_event(
            event=EVENT, data_str=document.model_dump_json(), id=str(min(row.number, settled))
        )
        return cls(row.number, (row.job_id, row.posted_job_id), row.microscope_id, content)


@dataclass(frozen=True)
class JobMessage:
    """The newest state of a posted job, or its end; it replaces earlier ones."""

    job_id: str
    microscope_id: str | None
    content: bytes

    @classmethod
    def of(cls, activity: JobActivity, microscope_id: str | None) -> "JobMessage":
        content = format_sse_event(event=JOB, data_str=activity.model_dump_json())
        return cls(activity.id, microscope_id, content)

    @classmethod
    def deleted(cls, job_id: str, microscope_id: str | None) -> "JobMessage":
        content = format_sse_event(event=DELETED, data_str=json.dumps({"id": job_id}))
        return cls(job_id, microscope_id, content)
