"""Image documents of the API."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from app.documents.microscopes import Origin
from models_store.contracts.vocabulary import (
    ImageRole,
)
from models_store.database.tables import (
    Image,
)
from models_store.image_files.header import ImageHeader


class ImageDocument(BaseModel):
    id: str
    filename: str
    role: ImageRole
    sha256: str
    size_bytes: int
    header: ImageHeader
    origin: Origin | None
    content_href: str
    preview_href: str
    created_at: datetime

    @classmethod
    def of(cls, row: Image) -> Self:
        return cls(
            id=row.id,
            filename=row.filename,
            role=row.role,
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            header=ImageHeader.model_validate(row.header),
            origin=Origin.of(row.profile),
            content_href=f"/v1/images/{row.id}/content",
            preview_href=f"/v1/images/{row.id}/preview.png",
            created_at=row.created_at,
        )
