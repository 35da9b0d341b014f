"""Image documents of the API."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from app.documents.microscopes import Origin
from app.documents.surveys import SurveyDocument
from models_store.contracts.vocabulary import (
    ImageRole,
)
from models_store.database.tables import (
    Image,
)
from models_store.image_files.header import ImageHeader
from models_store.image_files.image_warnings import image_warnings
from models_store.survey.survey import stored_survey


class ImageDocument(BaseModel):
    id: str
    filename: str
    role: ImageRole
    sha256: str
    size_bytes: int
    header: ImageHeader
    origin: Origin | None
    survey: SurveyDocument | None = Field(
        default=None, description="None: the pixels have not been surveyed yet."
    )
    warnings: list[str] = Field(
        default=[],
        description="What to know before hours of work: missing planes, hot pixels, saturation, "
        "correlated noise and so on. Without those of the pixels if these have not been surveyed yet.",
    )
    content_href: str
    preview_href: str
    created_at: datetime

    @classmethod
    def of(cls, row: Image) -> Self:
        header, survey = ImageHeader.model_validate(row.header), stored_survey(row.survey)
        return cls(
            id=row.id,
            filename=row.filename,
            role=row.role,
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            header=header,
            origin=Origin.of(row.profile),
            survey=SurveyDocument.of(survey) if survey else None,
            warnings=image_warnings(header, survey),
            content_href=f"/v1/images/{row.id}/content",
            preview_href=f"/v1/images/{row.id}/preview.png",
            created_at=row.created_at,
        )
