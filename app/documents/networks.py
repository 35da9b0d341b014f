"""Network documents of the API."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from app.documents.microscopes import Origin
from models_store.contracts.vocabulary import (
    Method,
    Preset,
)
from models_store.database.tables import (
    Network,
)


class NetworkDocument(BaseModel):
    id: str
    method: Method
    preset: Preset
    recipe: str
    noise_model_id: str | None
    belongs_to: Origin | None
    channel: str | None = None
    """Channel that it was trained on: its name, or else its index; None: all planes."""
    description: dict[str, Any]
    sha256: str
    size_bytes: int
    content_href: str
    job_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: Network) -> Self:
        return cls(
            id=row.id,
            method=row.method,
            preset=row.preset,
            recipe=row.recipe,
            noise_model_id=row.noise_model_id,
            belongs_to=Origin.of(row.profile),
            channel=row.channel,
            description=row.description,
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            content_href=f"/v1/networks/{row.id}/content",
            job_id=row.job_id,
            created_at=row.created_at,
        )
