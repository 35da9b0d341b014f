"""Consequences of a job's end: for its parent, for jobs that wait for its result, for its webhook."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from models_store.contracts.trust import FIGURES_OF_PART
from models_store.contracts.vocabulary import JobState
from models_store.database.tables import Job, JobDependency
from models_store.database.visibility import SEES_ALL
from models_store.image_files.channels import channel_name
from models_store.repositories import webhooks
from models_store.repositories.jobs.channels import first_header
from models_store.repositories.jobs.rows import get_job, record_event

DISTILLED_ID = "distilled_network_id"
"""Key of the distilled network in a job's result; `network_id` is the PN2V network."""


def settle_parent(session: Session, job: Job, now: datetime) -> None:
    """End the parent of a stage once all its stages have succeeded."""
    if job.parent_id is None:
        return
    parent = get_job(session, job.parent_id)
    if all(stage.state is JobState.SUCCEEDED for stage in parent.stages):
        parent.state, parent.progress, parent.status, parent.ended_at = JobState.SUCCEEDED, 1.0, "done", now
        parent.result = _results_of(session, parent)
        record_end(session, parent.id, JobState.SUCCEEDED, now)


def record_end(session: Session, job_id: str, state: JobState, now: datetime, **detail: Any) -> None:  # noqa: ANN401  # any JSON value
    """Record that a job has ended, and schedule its webhook."""
    record_event(session, job_id, state.value, now, **detail)
    webhooks.schedule(session, job_id, now)


def stages_by_images(stages: Sequence[Job]) -> list[list[Job]]:
    """Group the stages of a job that read the same images; there are several if these differ in kind.

    The first stage of each group reads all of its images.
    """
    groups: list[tuple[set[str], list[Job]]] = []
    for stage in stages:
        image_ids = set(stage.spec["image_ids"])
        group = next((group for group in groups if group[0] & image_ids), None)
        if group is None:
            groups.append((image_ids, [stage]))
        else:
            group[1].append(stage)
    return [group for _, group in groups]


def group_of_stage(stage: Job, stages: Sequence[Job]) -> int | None:
    """Return the number of the group of a stage among those of its job; None if there are not several."""
    groups = stages_by_images(stages)
    numbers = (number for number, group in enumerate(groups) if any(each.id == stage.id for each in group))
    return next(numbers, None) if len(groups) > 1 else None


def _results_of(session: Session, job: Job) -> dict[str, Any]:
    """Merge the results of a job's stages; those of images of different kinds apart, if there are any."""
    merged = [(stages[0], _results_of_alike(session, stages)) for stages in stages_by_images(job.stages)]
    if len(merged) == 1:
        return merged[0][1]
    groups = [{"image_ids": first.spec["image_ids"], **results} for first, results in merged]
    warnings = [warning for results in groups for warning in results.get("warnings", [])]
    return {"groups": groups} | ({"warnings": list(dict.fromkeys(warnings))} if warnings else {})


def _results_of_alike(session: Session, stages: Sequence[Job]) -> dict[str, Any]:
    """Merge the results of stages; those of each channel apart, if there are several."""
    channels = sorted({stage.channel for stage in stages if stage.channel is not None})
    if not channels:
        return _merged_results(stages)
    header = first_header(session, stages[0])
    merged = [_merged_results([stage for stage in stages if stage.channel == each]) for each in channels]
    named = [
        {"channel": channel, "name": channel_name(header, channel), **results}
        for channel, results in zip(channels, merged, strict=True)
    ]
    of_all = _merged_results([stage for stage in stages if stage.channel is None])
    warnings = [warning for results in (*merged, of_all) for warning in results.get("warnings", [])]
    return {**of_all, "channels": named} | ({"warnings": warnings} if warnings else {})


def _merged_results(stages: Sequence[Job]) -> dict[str, Any]:
    """Merge the results of stages: later values override earlier ones; warnings accumulate, once each."""
    merged = {
        DISTILLED_ID if (stage.stage, key) == ("distil", "network_id") else key: value
        for stage in stages
        for key, value in stage.result.items()
        if key != FIGURES_OF_PART
    }
    warnings = [warning for stage in stages for warning in stage.result.get("warnings", [])]
    return merged | ({"warnings": list(dict.fromkeys(warnings))} if warnings else {})


def follow_failure(session: Session, job: Job, error: dict[str, Any], now: datetime) -> None:
    """Record a failure; a stage's siblings are cancelled, and its parent fails with it."""
    record_end(session, job.id, JobState.FAILED, now, **error)
    if job.parent_id is not None:
        parent = get_job(session, job.parent_id)
        end_jobs(session, parent.stages, JobState.CANCELLED, None, now)
        end_jobs(session, [parent], JobState.FAILED, {**error, **_place(job)}, now)
    _cancel_dependents(session, job, now)


def _place(job: Job) -> dict[str, Any]:
    return {"stage": job.stage} | ({} if job.channel is None else {"channel": job.channel})


def end_jobs(
    session: Session, jobs: Sequence[Job], state: JobState, error: dict[str, Any] | None, now: datetime
) -> None:
    """End those jobs that have not ended, and cancel their dependents."""
    ending = [job for job in jobs if not job.state.ended]
    for job in ending:
        job.state, job.error, job.ended_at, job.lease_until, job.status = state, error, now, None, str(state)
        record_end(session, job.id, state, now, **(error or {}))
    session.flush()
    for job in ending:
        _cancel_dependents(session, job, now)


def _cancel_dependents(session: Session, job: Job, now: datetime) -> None:
    """Cancel the jobs that wait for the result of a job that did not succeed."""
    waiting = (
        select(Job)
        .join(JobDependency, JobDependency.job_id == Job.id)
        .where(JobDependency.depends_on_id == job.id)
    )
    found = session.scalars(waiting, execution_options={**SEES_ALL, "populate_existing": True})
    error = {
        "code": "dependency-failed",
        "detail": f"this job needs the result of job {job.id}, whose state is {job.state}",
    }
    end_jobs(session, list(found), JobState.CANCELLED, error, now)
