"""Uploaded images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from models_store.blobs.blobs import StoredBlob
from models_store.contracts.vocabulary import ENDED_STATES, ImageRole, ProfileChoice
from models_store.database.tables import Image, Job, JobImage, Profile
from models_store.errors import ConflictError, NotFoundError
from models_store.image_files.header import ImageHeader
from models_store.repositories.pages import Page, PageRequest, fetch_page
from models_store.survey.survey import SURVEY_VERSION, Survey


@dataclass(frozen=True)
class UploadedImage:
    """A completely received file that passed inspection."""

    image_id: str
    filename: str
    content: StoredBlob
    preview: StoredBlob
    header: ImageHeader
    role: ImageRole
    survey: Survey | None = None


def create_image(
    session: Session,
    uploaded: UploadedImage,
    *,
    profile: Profile | None,
    profile_choice: ProfileChoice | None = None,
    now: datetime,
) -> Image:
    image = Image(
        id=uploaded.image_id,
        filename=uploaded.filename,
        sha256=uploaded.content.sha256,
        size_bytes=uploaded.content.size_bytes,
        blob_key=uploaded.content.key,
        preview_key=uploaded.preview.key,
        header=uploaded.header.model_dump(mode="json"),
        role=uploaded.role,
        survey=uploaded.survey.model_dump(mode="json") if uploaded.survey else None,
        profile_id=profile.id if profile else None,
        profile_choice=profile_choice if profile else None,
        created_at=now,
    )
    image.profile = profile
    session.add(image)
    session.flush()
    return image


def get_image(session: Session, image_id: str) -> Image:
    image = session.get(Image, image_id)
    if image is None:
        raise NotFoundError(f"there is no image {image_id!r}")
    return image


def get_images(session: Session, image_ids: Sequence[str]) -> list[Image]:
    """Return images in the order of their ids. Raises NotFoundError that names all missing ones."""
    found = {image.id: image for image in session.scalars(select(Image).where(Image.id.in_(image_ids)))}
    if missing := [image_id for image_id in image_ids if image_id not in found]:
        raise NotFoundError(f"there is no image {', '.join(missing)}; upload with POST /v1/images")
    return [found[image_id] for image_id in image_ids]


def hold_images(session: Session, image_ids: Sequence[str]) -> None:
    """Lock images against deletion until the transaction ends."""
    query = select(Image.id).where(Image.id.in_(image_ids)).order_by(Image.id)
    session.execute(query.with_for_update(read=True, key_share=True))


def list_images(
    session: Session, request: PageRequest, *, profile_ids: Sequence[str] | None, role: ImageRole | None
) -> Page[Image]:
    query = select(Image)
    if profile_ids is not None:
        query = query.where(Image.profile_id.in_(profile_ids))
    if role is not None:
        query = query.where(Image.role == role)
    return fetch_page(session, query, Image, request)


def record_surveys(session: Session, surveys: Mapping[str, Survey]) -> None:
    """Store surveys made by a job for images without one of this version; deleted images are skipped."""
    stored_version = func.coalesce(Image.survey["version"].as_integer(), 0)
    for image_id, survey in surveys.items():
        session.execute(
            update(Image)
            .where(Image.id == image_id, or_(Image.survey.is_(None), stored_version != SURVEY_VERSION))
            .values(survey=survey.model_dump(mode="json"))
            .execution_options(synchronize_session=False)
        )


def delete_image(session: Session, image: Image) -> None:
    """Delete the row. Raises ConflictError while a job that has not ended reads the image."""
    # A job that is being posted holds a lock on the image (`hold_images`): wait for it, to see the job.
    if session.scalar(select(Image.id).where(Image.id == image.id).with_for_update()) is None:
        raise NotFoundError(f"image {image.id!r} has been deleted")
    reading = (
        select(Job.id)
        .join(JobImage, JobImage.job_id == Job.id)
        .where(JobImage.image_id == image.id, Job.state.not_in(ENDED_STATES))
        .limit(1)
    )
    if job_id := session.scalar(reading):
        raise ConflictError(f"job {job_id} still reads this image; wait for it, or cancel it first")
    session.delete(image)
    session.flush()
