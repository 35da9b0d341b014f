"""Uploaded images."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from models_store.blobs.blobs import StoredBlob
from models_store.clock_and_ids import new_id
from models_store.contracts.vocabulary import ENDED_STATES, ImageRole, ProfileChoice
from models_store.database.tables import Image, Job, JobImage, Profile
from models_store.errors import ConflictError, NotFoundError
from models_store.image_files.header import ImageHeader
from models_store.repositories.pages import Page, PageRequest, fetch_page
from models_store.repositories.profile_settings import DetectorSettings
from models_store.survey.survey import SURVEY_VERSION, Survey


@dataclass(frozen=True)
class SeriesOfUpload:
    """One of several images in an uploaded file."""

    header: ImageHeader
    survey: Survey | None


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
    series: Sequence[SeriesOfUpload] = ()
    """The images of a file that holds several; none: it holds one, or one was asked for."""


def create_image(
    session: Session,
    uploaded: UploadedImage,
    *,
    profile: Profile | None,
    profile_choice: ProfileChoice | None = None,
    requested_settings: DetectorSettings | None = None,
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
        requested_settings=requested_settings.model_dump(exclude_none=True) if requested_settings else None,
        created_at=now,
    )
    image.profile = profile
    session.add(image)
    session.flush()
    session.add_all(_series(image, each) for each in uploaded.series)
    session.flush()
    return image


def _series(parent: Image, of_upload: SeriesOfUpload) -> Image:
    """Return the row of one of several images in a file; it has no preview of its own yet."""
    return Image(
        id=new_id("img"),
        filename=parent.filename,
        sha256=parent.sha256,
        size_bytes=parent.size_bytes,
        blob_key=parent.blob_key,
        preview_key=parent.preview_key,
        header=of_upload.header.model_dump(mode="json"),
        role=parent.role,
        survey=of_upload.survey.model_dump(mode="json") if of_upload.survey else None,
        parent_id=parent.id,
        series=of_upload.header.series,
        profile_id=parent.profile_id,
        profile_choice=parent.profile_choice,
        requested_settings=parent.requested_settings,
        created_at=parent.created_at,
    )


class Series(NamedTuple):
    """One of several images in an uploaded file that can be denoised."""

    parent_id: str
    series: int
    image_id: str


def series_of_uploads(session: Session, upload_ids: Sequence[str]) -> Mapping[str, list[Series]]:
    """Return the images of those uploads that hold several, in the order of the file."""
    query = (
        select(Image.parent_id, Image.series, Image.id)
        .where(Image.parent_id.in_(upload_ids))
        .order_by(Image.parent_id, Image.series)
    )
    found: dict[str, list[Series]] = defaultdict(list)
    for parent_id, series, image_id in session.execute(query):
        if parent_id is not None and series is not None:
            found[parent_id].append(Series(parent_id, series, image_id))
    return found


def store_preview(session: Session, image_id: str, preview_key: str, survey: Survey | None) -> None:
    """Register the preview that was made of one of several images, and its survey if it had none."""
    session.execute(update(Image).where(Image.id == image_id).values(preview_key=preview_key))
    if survey is not None:
        record_surveys(session, {image_id: survey})


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


def assign_profile(
    session: Session, image: Image, profile: Profile | None, choice: ProfileChoice | None
) -> None:
    """Move an upload, with the images of its file, to another profile, or to none.

    Raises ConflictError for a single one of them, and once a job has read one: its results and models belong
    to the profile that the image had.
    """
    family = _locked_family(session, image, "move")
    image_ids = [each.id for each in family]
    reading = select(JobImage.job_id).where(JobImage.image_id.in_(image_ids)).limit(1)
    if job_id := session.scalar(reading):
        raise ConflictError(
            f"job {job_id} has this image with the microscope and profile that it has; upload it again for "
            "another one"
        )
    for each in family:
        each.profile, each.profile_choice = profile, choice if profile else None
    session.flush()


def _locked_family(session: Session, image: Image, action: str) -> Sequence[Image]:
    """Lock an upload and the images of its file. Raises ConflictError for a single one of them.

    A job that is being posted holds a lock on the images (`hold_images`): this waits for it, to see the job.
    """
    if image.parent_id is not None:
        raise ConflictError(
            f"image {image.id} is series {image.series} of the upload {image.parent_id}; {action} that one, "
            "with all of its images"
        )
    family = (Image.id == image.id) | (Image.parent_id == image.id)
    locked = session.scalars(select(Image).where(family).order_by(Image.id).with_for_update(of=Image)).all()
    if image not in locked:
        raise NotFoundError(f"image {image.id!r} has been deleted")
    return locked


def list_images(
    session: Session,
    request: PageRequest,
    *,
    profile_ids: Sequence[str] | None,
    role: ImageRole | None,
    parent_id: str | None = None,
) -> Page[Image]:
    """List uploads, or the images of one that holds several."""
    query = select(Image).where(Image.parent_id == parent_id)
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


def delete_image(session: Session, image: Image) -> set[str]:
    """Delete an upload with the images of its file; return the keys of their blobs.

    Raises ConflictError while a job that has not ended reads one of them, and for a single one of them.
    """
    locked = _locked_family(session, image, "delete")
    image_ids = [row.id for row in locked]
    reading = (
        select(Job.id)
        .join(JobImage, JobImage.job_id == Job.id)
        .where(JobImage.image_id.in_(image_ids), Job.state.not_in(ENDED_STATES))
        .limit(1)
    )
    if job_id := session.scalar(reading):
        raise ConflictError(f"job {job_id} still reads this image; wait for it, or cancel it first")
    keys = {key for row in locked for key in (row.blob_key, row.preview_key)}
    session.execute(delete(Image).where(Image.parent_id == image.id))
    session.delete(image)
    session.flush()
    return keys
