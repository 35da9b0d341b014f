"""Channels of a job's images, which all have the same ones, and of what it makes."""

from sqlalchemy.orm import Session

from models_store.database.tables import Job
from models_store.image_files.channels import channel_label
from models_store.image_files.header import ImageHeader
from models_store.repositories.images import get_image


def first_header(session: Session, job: Job) -> ImageHeader:
    """Return the header of the first image of a job that reads images and has not ended."""
    return ImageHeader.model_validate(get_image(session, job.spec["image_ids"][0]).header)


def channel_of_results(session: Session, job: Job) -> str | None:
    """Return the channel by which the registry knows the noise model and network of a job; None: all."""
    if job.channel is not None:
        return channel_label(first_header(session, job), job.channel)
    named: str | None = job.spec.get("channel" if job.kind == "pool_noise_model" else "for_channel")
    return named
