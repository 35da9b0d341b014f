"""Noise model documents of the API."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.documents.microscopes import Origin
from models_store.contracts.noise_models import NoiseModelOutline, noise_model_outline
from models_store.contracts.vocabulary import (
    HistoryAction,
    NoiseModelKind,
    NoiseModelOrigin,
)
from models_store.database.tables import (
    NoiseModelActivation,
    NoiseModelRow,
    Profile,
)
from models_store.repositories.camera_checks import Drift, drift_of
from models_store.repositories.microscopes import get_profiles
from models_store.repositories.noise_model_history import active_among, retired_among


class KeyDocument(BaseModel):
    """The API key that changed something, with its name at that time."""

    id: str
    name: str | None


class SourceImage(BaseModel):
    id: str
    sha256: str


class Retirement(BaseModel):
    """When a noise model was retired, by which key (null: the server had none), and why."""

    at: datetime
    by: KeyDocument | None
    reason: str | None

    @classmethod
    def of(cls, row: NoiseModelActivation) -> Self:
        return cls(at=row.activated_at, by=_key(row), reason=row.reason)


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
    pixel_pairs: int | None = Field(
        default=None, description="Pairs of signal and observation it was fitted to."
    )
    mean_nll_nats: float | None = Field(
        default=None, description="Mean negative logarithm of the likelihood of held-out pixels, in nats."
    )
    images: list[SourceImage] | None = Field(
        default=None, description="Images it was fitted to. Null: imported, or made before this was kept."
    )
    seed: int | None = None
    software_version: str | None = Field(
        default=None, description="Version of ClearScope that fitted it. Null: as for `images`."
    )
    parameters_sha256: str | None = Field(
        default=None,
        description="Digest of all parameters as canonical JSON. Null: made before this was kept.",
    )
    active: bool = Field(default=False, description="Whether its profile and channel use it now.")
    retired: Retirement | None = Field(default=None, description="Retired ones are chosen by no job.")
    job_id: str | None
    created_at: datetime
    drift: Drift | None = None
    """Mark of a check that found the camera to have drifted since; None: none has."""

    @classmethod
    def of(cls, row: NoiseModelRow, *, active: bool, retired: NoiseModelActivation | None) -> Self:
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
            pixel_pairs=row.fit_quality.get("pixel_pairs"),
            mean_nll_nats=row.fit_quality.get("mean_nll_nats"),
            images=row.images,
            seed=row.seed,
            software_version=row.software_version,
            parameters_sha256=row.parameters_sha256,
            active=active,
            retired=Retirement.of(retired) if retired else None,
            job_id=row.job_id,
            created_at=row.created_at,
            drift=drift_of(row),
        )


class HistoryDocument(BaseModel):
    """A change of a profile's and channel's active noise model, or the end of another one."""

    number: int
    at: datetime
    action: HistoryAction
    noise_model_id: str = Field(
        description="The version that was activated, retired, restored by a roll-back, or deleted."
    )
    version: int
    belongs_to: Origin | None
    channel: str | None
    active_id: str | None = Field(description="The version that was active from then on.")
    by: KeyDocument | None = Field(description="API key. Null: the server had none, or it was not kept yet.")
    reason: str | None

    @classmethod
    def of(cls, row: NoiseModelActivation, profile: Profile | None) -> Self:
        return cls(
            number=row.number,
            at=row.activated_at,
            action=row.action,
            noise_model_id=row.noise_model_id,
            version=row.version,
            belongs_to=Origin.of(profile),
            channel=row.channel,
            active_id=row.active_id,
            by=_key(row),
            reason=row.reason,
        )


def noise_model_documents(session: Session, rows: Sequence[NoiseModelRow]) -> list[NoiseModelDocument]:
    ids = [row.id for row in rows]
    active, retired = active_among(session, ids), retired_among(session, ids)
    return [NoiseModelDocument.of(row, active=row.id in active, retired=retired.get(row.id)) for row in rows]


def noise_model_document(session: Session, row: NoiseModelRow) -> NoiseModelDocument:
    (document,) = noise_model_documents(session, [row])
    return document


def history_documents(session: Session, rows: Sequence[NoiseModelActivation]) -> list[HistoryDocument]:
    profiles = {each.id: each for each in get_profiles(session, [row.profile_id for row in rows])}
    return [HistoryDocument.of(row, profiles.get(row.profile_id)) for row in rows]


def _key(row: NoiseModelActivation) -> KeyDocument | None:
    return KeyDocument(id=row.actor_id, name=row.actor) if row.actor_id is not None else None
