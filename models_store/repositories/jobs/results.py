"""Rows of job results: noise model, network, artifacts, planes."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.contracts.evaluation import ResultsOfJob
from models_store.contracts.outcomes import Outcome
from models_store.database.tables import Artifact, Job, JobNetwork, JobNoiseModel, PartPlanes
from models_store.errors import JobFailedError
from models_store.repositories.camera_checks import record_check
from models_store.repositories.jobs.channels import channel_of_results
from models_store.repositories.jobs.rows import get_job
from models_store.repositories.networks import create_network
from models_store.repositories.noise_models import create_noise_model
from models_store.repositories.pixel_pairs import keep_pixel_pairs


def register_results(session: Session, job: Job, outcome: Outcome, now: datetime) -> dict[str, str]:
    """Insert the rows of an outcome; return the ids of its noise model and network."""
    ids = {}
    channel = channel_of_results(session, job)
    if made := outcome.noise_model:
        noise_model = create_noise_model(
            session,
            profile_id=job.profile_id,
            channel=channel,
            origin=made.origin,
            parameters=made.parameters,
            fit_quality=made.fit_quality,
            made_by=job,
            image_ids=made.pixel_pairs.image_ids if made.pixel_pairs else job.spec.get("image_ids", ()),
            software_version=made.software_version,
            now=now,
        )
        session.add(JobNoiseModel(job_id=job.parent_id or job.id, noise_model_id=noise_model.id))
        if made.pixel_pairs is not None:
            keep_pixel_pairs(session, noise_model, made.pixel_pairs)
        ids["noise_model_id"] = noise_model.id
    if outcome.check is not None:
        check = record_check(session, outcome.check, job, now)
        if check is not None:
            ids["camera_check_id"] = check.id
    if outcome.network:
        network = create_network(
            session,
            outcome.network,
            profile_id=job.profile_id,
            channel=channel,
            noise_model_id=outcome.network.noise_model_id or ids.get("noise_model_id"),
            made_by=job,
            now=now,
        )
        session.add(JobNetwork(job_id=job.parent_id or job.id, network_id=network.id))
        ids["network_id"] = network.id
    session.add_all(
        Artifact(
            id=new_id("art"),
            job_id=job.id,
            name=artifact.name,
            media_type=artifact.media_type,
            image_id=artifact.image_id,
            output=artifact.output,
            blob_key=artifact.blob.key,
            sha256=artifact.blob.sha256,
            size_bytes=artifact.blob.size_bytes,
            created_at=now,
        )
        for artifact in outcome.artifacts
    )
    session.add_all(
        PartPlanes(
            job_id=job.id,
            image_id=planes.image_id,
            output=planes.output,
            blob_key=planes.blob.key,
            sha256=planes.blob.sha256,
            size_bytes=planes.blob.size_bytes,
        )
        for planes in outcome.planes
    )
    return ids


def find_results(session: Session, run: ResultsOfJob) -> list[Artifact]:
    """Return one output of a job for each of its images, in their order.

    Raises JobFailedError if one is missing.
    """
    job = get_job(session, run.job)
    family = [job.id, *(stage.id for stage in job.stages)]
    rows = session.scalars(select(Artifact).where(Artifact.job_id.in_(family), Artifact.output == run.output))
    found = {row.image_id: row for row in rows}
    image_ids: list[str] = job.spec["image_ids"]
    if missing := [image_id for image_id in image_ids if image_id not in found]:
        raise JobFailedError(
            f"job {job.id} has no {run.output} of image {missing[0]}: its network does not produce this "
            "output, or the job was run by an earlier version; compare another output, or post the job again"
        )
    return [found[image_id] for image_id in image_ids]
