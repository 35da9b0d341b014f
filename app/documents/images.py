"""Image documents of the API."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.documents.microscopes import Origin
from app.documents.surveys import SurveyDocument
from models_store.contracts.vocabulary import (
    ImageRole,
    ProfileChoice,
)
from models_store.database.tables import (
    Image,
)
from models_store.image_files.header import ImageHeader
from models_store.image_files.image_warnings import image_warnings
from models_store.repositories.images import Series, series_of_uploads
from models_store.repositories.profile_settings import DetectorSettings, differences, settings_of_file
from models_store.repositories.profiles import settings_of_profile
from models_store.survey.survey import stored_survey


class SeriesDocument(BaseModel):
    """One of several images in an uploaded file: its number, counted from 0, name, axes and shape.

    `image_id` is its own document, by which jobs may name it; `unusable` is why it has none.
    """

    index: int
    name: str
    axes: str
    shape: tuple[int, ...]
    image_id: str | None
    unusable: str | None


class ImageDocument(BaseModel):
    id: str
    filename: str
    role: ImageRole
    sha256: str
    size_bytes: int
    header: ImageHeader
    origin: Origin | None
    profile_choice: ProfileChoice | None = Field(
        default=None,
        description="How the image came to its acquisition profile: named in the upload, found or made by "
        "the settings in the file, or the microscope's default as the file tells nothing of its detector.",
    )
    requested_settings: DetectorSettings | None = Field(
        default=None, description="Settings that the upload told; they win over those in the file."
    )
    survey: SurveyDocument | None = Field(
        default=None, description="None: the pixels have not been surveyed yet."
    )
    warnings: list[str] = Field(
        default=[],
        description="What to know before hours of work: missing planes, hot pixels, saturation, "
        "correlated noise and so on. If the pixels have not been surveyed yet, one tells so.",
    )
    parent_id: str | None = Field(
        default=None, description="The upload whose file also holds this image; None: this is an upload."
    )
    series: list[SeriesDocument] = Field(
        default=[],
        description="All images of an upload that holds several; jobs on the upload work on each of them, or "
        "on those that their field `series` names. What `header` tells is then of the first one.",
    )
    content_href: str
    preview_href: str
    created_at: datetime

    @classmethod
    def of(cls, row: Image, series: Sequence[Series] = ()) -> Self:
        """Build the document of an image; `series`: those of an upload that holds several."""
        header, survey = ImageHeader.model_validate(row.header), stored_survey(row.survey)
        return cls(
            id=row.id,
            filename=row.filename,
            role=row.role,
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            header=header,
            origin=Origin.of(row.profile),
            profile_choice=ProfileChoice(row.profile_choice) if row.profile_choice else None,
            requested_settings=_requested(row),
            survey=SurveyDocument.of(survey) if survey else None,
            warnings=[*image_warnings(header, survey), *_profile_warnings(row, header)],
            parent_id=row.parent_id,
            series=_series_documents(header, series),
            content_href=f"/v1/images/{row.id}/content",
            preview_href=f"/v1/images/{row.id}/preview.png",
            created_at=row.created_at,
        )


def _profile_warnings(row: Image, header: ImageHeader) -> list[str]:
    """Return where the settings in a file differ from those that its upload told, or of the named profile."""
    if (requested := _requested(row)) is not None:
        return _differences(header, requested, "the upload tells, and that is what counts")
    if row.profile is None or row.profile_choice != ProfileChoice.NAMED:
        return []
    named = f"the profile {row.profile.name!r} has; the upload named the profile, so that is what counts"
    return _differences(header, settings_of_profile(row.profile), named)


def _requested(row: Image) -> DetectorSettings | None:
    return DetectorSettings.model_validate(row.requested_settings) if row.requested_settings else None


def _differences(header: ImageHeader, asked: DetectorSettings, what_counts: str) -> list[str]:
    return [
        f"{f'channel {channel}: ' if channel else ''}the file tells {', '.join(differ)}, as {what_counts}"
        for channel, told in settings_of_file(header).items()
        if (differ := differences(asked, told))
    ]


def image_documents(session: Session, rows: Sequence[Image]) -> list[ImageDocument]:
    series = series_of_uploads(session, [row.id for row in rows if row.parent_id is None])
    return [ImageDocument.of(row, series.get(row.id, ())) for row in rows]


def image_document(session: Session, row: Image) -> ImageDocument:
    (document,) = image_documents(session, [row])
    return document


def _series_documents(header: ImageHeader, series: Sequence[Series]) -> list[SeriesDocument]:
    if not series:
        return []
    image_ids = {each.series: each.image_id for each in series}
    return [
        SeriesDocument(
            index=entry.index,
            name=entry.name,
            axes=entry.axes,
            shape=entry.shape,
            image_id=image_ids.get(entry.index),
            unusable=entry.unusable,
        )
        for entry in header.series_in_file
    ]
