"""Instruments: microscopes, their profiles, versions of noise models, control charts and history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app.camera_reports.charts import control_charts
from app.documents.camera_checks import ControlChart
from app.documents.microscopes import MicroscopeDocument, ProfileDocument
from app.documents.noise_models import (
    HistoryDocument,
    NoiseModelDocument,
    history_documents,
    noise_model_documents,
)
from app.http.authorization import READ
from app.http.dependencies import ReadSession, RequestServices
from app.portal.rendering import Page
from models_store.database.tables import Microscope, Profile
from models_store.repositories import microscopes
from models_store.repositories.camera_checks import checks_between, drift_of
from models_store.repositories.noise_model_history import list_history
from models_store.repositories.noise_models import list_active_noise_models, list_noise_models
from models_store.repositories.pages import CURSOR_PATTERN, PageRequest
from models_store.repositories.profile_settings import setting_words
from models_store.repositories.profiles import settings_of_profile

router = APIRouter()

_MICROSCOPES, _PROFILES, _VERSIONS, _CHANGES, _CHECKS = 50, 10, 20, 20, 200
_MOST_ACTIVE = 1000
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

Cursor = Annotated[str | None, Query(pattern=CURSOR_PATTERN)]


@dataclass(frozen=True)
class MicroscopeSummary:
    about: MicroscopeDocument
    profiles: int
    active: int
    """Number of its active noise models."""
    drifted: int


@dataclass(frozen=True)
class ProfileView:
    """A profile as its microscope's page shows it, the newest of everything first."""

    about: ProfileDocument
    settings: Sequence[str]
    versions: Sequence[NoiseModelDocument]
    older_versions: bool
    history: Sequence[HistoryDocument]
    charts: Sequence[ControlChart]


@router.get("/instruments", dependencies=READ)
def instruments(
    page: Page, session: ReadSession, services: RequestServices, cursor: Cursor = None
) -> HTMLResponse:
    found = microscopes.list_microscopes(session, PageRequest(_MICROSCOPES, cursor))
    now = services.clock()
    summaries = [_summary(session, row, now) for row in found.rows]
    return page("instruments.html", microscopes=summaries, older=found.next_cursor)


@router.get("/instruments/{microscope}", dependencies=READ)
def instrument(
    microscope: str, page: Page, session: ReadSession, services: RequestServices, cursor: Cursor = None
) -> HTMLResponse:
    owner = microscopes.find_microscope(session, microscope)
    found = microscopes.list_profiles(session, owner, PageRequest(_PROFILES, cursor))
    now = services.clock()
    profiles = [_profile(session, row, now) for row in found.rows]
    about = MicroscopeDocument.of(owner)
    return page("instrument.html", microscope=about, profiles=profiles, older=found.next_cursor)


def _summary(session: Session, owner: Microscope, now: datetime) -> MicroscopeSummary:
    ids = microscopes.profile_ids(session, owner)
    active = list_active_noise_models(session, PageRequest(_MOST_ACTIVE), profile_ids=ids, at=now).rows
    drifted = sum(drift_of(row) is not None for row in active)
    return MicroscopeSummary(MicroscopeDocument.of(owner), len(ids), len(active), drifted)


def _profile(session: Session, row: Profile, now: datetime) -> ProfileView:
    versions = list_noise_models(session, PageRequest(_VERSIONS), profile_ids=[row.id])
    changes = list_history(session, PageRequest(_CHANGES), profile_ids=[row.id])
    return ProfileView(
        about=ProfileDocument.of(row),
        settings=setting_words(settings_of_profile(row)),
        versions=noise_model_documents(session, versions.rows),
        older_versions=versions.next_cursor is not None,
        history=history_documents(session, changes.rows),
        charts=control_charts(checks_between(session, [row.id], _BEGINNING, now, limit=_CHECKS)),
    )
