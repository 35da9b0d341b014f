"""Documents of links by which programs without a key read an image or a result."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from models_store.database.tables import ShareLink


class ShareLinkDocument(BaseModel):
    """A link that somebody made and that is valid; its address is told to nobody but who made it."""

    id: str
    layer: str = Field(description="What it lets read: `image`, `result` or `residual`.")
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
