"""Stage documents of the API; a stage that is split among workers is shown as one."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Self

from pydantic import BaseModel

from models_store.contracts.vocabulary import JobState
from models_store.repositories.jobs.stages import PART_KIND, StageRow


class Parts(BaseModel):
    """Number of parts of a split stage, and how many of them are done."""

    done: int
    total: int


class StageDocument(BaseModel):
    """One stage of a job; workers run it as one job, or as several if it is split.

    `channel`: index of the channel that the stage is for, if the images have several.
    """

    id: str
    stage: str
    kind: str
    channel: int | None = None
    state: JobState
    progress: float
    status: str
    attempt: int
    parts: Parts | None
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, rows: Sequence[StageRow]) -> Self:
        """Build the document of one stage from its rows; the last row is the one that completes it."""
        state = _state([row.state for row in rows])
        started = [row.started_at for row in rows if row.started_at]
        ended = [row.ended_at for row in rows if row.ended_at]
        parts = _parts(rows)
        return cls(
            id=rows[-1].id,
            stage=rows[-1].stage,
            kind="predict" if parts else rows[-1].kind,
            channel=rows[-1].channel,
            state=state,
            progress=weighted_progress(rows),
            status=_status(rows, parts),
            attempt=max(row.attempt for row in rows),
            parts=parts,
            started_at=min(started, default=None),
            ended_at=max(ended) if ended and state.ended else None,
        )


def stage_documents(rows: Sequence[StageRow]) -> list[StageDocument]:
    """Return one document per stage and channel; the rows are in the order of the stages."""
    grouped = groupby(rows, key=lambda row: (row.channel, row.stage))
    return [StageDocument.of(list(of_stage)) for _, of_stage in grouped]


def weighted_progress(rows: Sequence[StageRow]) -> float:
    return sum(row.weighted_progress for row in rows) / sum(row.weight for row in rows)


def _parts(rows: Sequence[StageRow]) -> Parts | None:
    parts = [row for row in rows if row.kind == PART_KIND]
    if not parts:
        return None
    done = sum(row.jobs for row in parts if row.state is JobState.SUCCEEDED)
    return Parts(done=done, total=sum(row.jobs for row in parts))


def _state(states: Sequence[JobState]) -> JobState:
    """Return the combined state; a partly finished stage counts as running."""
    if len(set(states)) == 1:
        return states[0]
    decisive = (JobState.FAILED, JobState.CANCELLED)
    return next((state for state in decisive if state in states), JobState.RUNNING)


def _status(rows: Sequence[StageRow], parts: Parts | None) -> str:
    current = next((row for row in rows if row.state is not JobState.SUCCEEDED), rows[-1])
    if parts is None or current.kind != PART_KIND or current.state.ended:
        return current.status
    running = sum(row.jobs for row in rows if row.state is JobState.RUNNING)
    return f"{parts.done} of {parts.total} parts done, {running} running"
