"""Noise model documents of the API."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from app.documents.microscopes import Origin
from models_store.contracts.noise_models import NoiseModelOutline, noise_model_outline
from models_store.contracts.vocabulary import (
    NoiseModelKind,
    NoiseModelOrigin,
)
from models_store.database.tables import (
    NoiseModelRow,
)


class NoiseModelDocument(BaseModel):
    id: str
    version: int
    kind: NoiseModelKind
    origin: NoiseModelOrigin
    belongs_to: Origin | None
    channel: str | None = None
    """Channel that it is for: its name, or else its index; None: images with one channel, or all."""
    signal_min_adu: float
    signal_max_adu: float
    parameters: NoiseModelOutline
    fit_quality: dict[str, Any]
    job_id: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: NoiseModelRow) -> Self:
        return cls(
            id=row.id,
            version=row.version,
            kind=NoiseModelKind(row.kind),
            origin=row.origin,
            belongs_to=Origin.of(row.profile),
            channel=row.channel,
            signal_min_adu=row.signal_min_adu,
            signal_max_adu=row.signal_max_adu,
            parameters=noise_model_outline.validate_python(row.parameters),
            fit_quality=row.fit_quality,
            job_id=row.job_id,
            created_at=row.created_at,
        )
