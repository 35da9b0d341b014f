"""Queries of artifacts, with the images of files that they are about."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from models_store.database.tables import Artifact, Image, Job
from models_store.errors import NotFoundError


class ListedArtifact(NamedTuple):
    """An artifact; an image that its stage has read; number and name of its image among several in a file."""

    row: Artifact
    read_image_id: str | None
    series: tuple[int, str] | None


def list_artifacts(session: Session, job_ids: Sequence[str]) -> Mapping[str, list[ListedArtifact]]:
    """Return the artifacts of jobs and their stages, by the id of the posted job."""
    eldest = func.coalesce(Job.parent_id, Job.id)
    query = (
        select(
            eldest,
            Artifact,
            Job.spec["image_ids", 0].as_string(),
            Image.series,
            Image.header["series_in_file"],
        )
        .join(Job, Job.id == Artifact.job_id)
        .outerjoin(Image, Image.id == Artifact.image_id)
        .where(or_(Job.id.in_(job_ids), Job.parent_id.in_(job_ids)))
        .order_by(Artifact.created_at, Artifact.image_id.is_(None), Artifact.name)
    )
    found: dict[str, list[ListedArtifact]] = defaultdict(list)
    for job_id, artifact, image_id, series, entries in session.execute(query):
        numbered = None if series is None else (series, _name(entries, series))
        found[job_id].append(ListedArtifact(artifact, image_id, numbered))
    return found


def get_artifact(session: Session, artifact_id: str) -> Artifact:
    """Return an artifact; raises NotFoundError."""
    artifact = session.get(Artifact, artifact_id)
    if artifact is None:
        raise NotFoundError(f"there is no artifact {artifact_id!r}")
    return artifact


def download_name_of(session: Session, artifact: Artifact) -> str:
    """Return the name under which an artifact is downloaded."""
    stage = session.get_one(Job, artifact.job_id)
    job = stage if stage.parent_id is None else session.get_one(Job, stage.parent_id)
    read = stage.spec.get("image_ids") or [None]
    return download_name(artifact, group_of(job.result or {}, read[0]))


def group_of(result: Mapping[str, Any], image_id: str | None) -> int | None:
    """Return which of the groups of a job's result has an image; None if its images are not grouped."""
    groups = enumerate(result.get("groups", ()))
    return next((number for number, group in groups if image_id in group["image_ids"]), None)


def download_name(artifact: Artifact, group: int | None) -> str:
    """Return a name that no other file of the job has: each group has reports of the same names."""
    return artifact.name if artifact.image_id is not None else name_in_group(artifact.name, group)


def name_in_group(name: str, group: int | None) -> str:
    """Return the name of a report of one of the groups of a job's images; None: they are not grouped."""
    stem, dot, suffix = name.rpartition(".")
    return name if group is None else f"{stem}_group{group}{dot}{suffix}"


def _name(entries: Sequence[Mapping[str, Any]] | None, series: int) -> str:
    return next((str(entry["name"]) for entry in entries or () if entry["index"] == series), "")
