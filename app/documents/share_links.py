"""Documents of signed links, by which programs without a key read an image or a result."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from models_store.database.tables import ShareLink


class ShareLinkDocument(BaseModel):
    """A valid signed link. Its address is not listed: only the answer that made the link has it."""

    id: str
    layer: str = Field(
        description="What can be read: `image`, `result`, or `residual` (what the result removed)."
    )
    created_at: datetime
    made_by: str | None = Field(description="Name of the API key; null: the server had no keys.")
    expires_at: datetime

    @classmethod
    def of(cls, row: ShareLink) -> Self:
        return cls(
            id=row.id,
            layer=row.layer,
            created_at=row.created_at,
            made_by=row.made_by,
            expires_at=row.expires_at.replace(microsecond=0),
        )
