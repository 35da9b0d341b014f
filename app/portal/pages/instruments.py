"""Instruments: microscopes, their profiles, versions of noise models, control charts and history."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from app.camera_reports.camera_charts import camera_charts
from app.camera_reports.charts import control_charts
from app.documents.camera_checks import ControlChart
from app.documents.microscopes import MicroscopeDocument, ProfileDocument
from app.documents.noise_models import (
    HistoryDocument,
    NoiseModelDocument,
    noise_model_documents,
)
from app.http.authorization import READ
from app.http.dependencies import ReadSession
from app.portal.rendering import Page
from models_store.database.tables import Profile
from models_store.repositories import microscopes
from models_store.repositories.camera_checks import latest_checks, newest_checks
from models_store.repositories.microscope_counts import MicroscopeCounts, counts_of_microscopes
from models_store.repositories.noise_model_history import newest_changes
from models_store.repositories.noise_models import newest_versions
from models_store.repositories.pages import CURSOR_PATTERN, PageRequest
from models_store.repositories.profile_settings import setting_words
from models_store.repositories.profiles import settings_of_profile

router = APIRouter()

_MICROSCOPES, _PROFILES, _VERSIONS, _CHANGES, _CHECKS = 50, 10, 20, 20, 200

Cursor = Annotated[str | None, Query(pattern=CURSOR_PATTERN)]


@dataclass(frozen=True)
class MicroscopeSummary:
    about: MicroscopeDocument
    counts: MicroscopeCounts


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
def instruments(page: Page, session: ReadSession, cursor: Cursor = None) -> HTMLResponse:
    found = microscopes.list_microscopes(session, PageRequest(_MICROSCOPES, cursor))
    counts = counts_of_microscopes(session, [row.id for row in found.rows])
    summaries = [MicroscopeSummary(MicroscopeDocument.of(row), counts[row.id]) for row in found.rows]
    return page("instruments.html", microscopes=summaries, older=found.next_cursor)


@router.get("/instruments/{microscope}", dependencies=READ)
def instrument(microscope: str, page: Page, session: ReadSession, cursor: Cursor = None) -> HTMLResponse:
    owner = microscopes.find_microscope(session, microscope)
    found = microscopes.list_profiles(session, owner, PageRequest(_PROFILES, cursor))
    profiles = _views(session, found.rows)
    about = MicroscopeDocument.of(owner)
    checks = latest_checks(session, microscopes.profile_ids(session, owner), _CHECKS)
    of_cameras = [chart for chart in camera_charts(checks) if chart.compares_settings]
    of_profiles = [chart for profile in profiles for chart in profile.charts]
    return page(
        "instrument.html",
        microscope=about,
        profiles=profiles,
        camera_charts=of_cameras,
        charts=[*of_cameras, *of_profiles],
        older=found.next_cursor,
    )


def _views(session: Session, profiles: Sequence[Profile]) -> list[ProfileView]:
    """Return the views of profiles, whose rows are fetched together."""
    ids = [row.id for row in profiles]
    versions = newest_versions(session, ids, _VERSIONS + 1)
    shown = [row for profile_id in ids for row in versions[profile_id][:_VERSIONS]]
    models = {each.id: each for each in noise_model_documents(session, shown)}
    changes = newest_changes(session, ids, _CHANGES)
    checks = newest_checks(session, ids, _CHECKS)
    return [
        ProfileView(
            about=ProfileDocument.of(row),
            settings=setting_words(settings_of_profile(row)),
            versions=[models[each.id] for each in versions[row.id][:_VERSIONS]],
            older_versions=len(versions[row.id]) > _VERSIONS,
            history=[HistoryDocument.of(each, row) for each in changes[row.id]],
            charts=control_charts(checks[row.id]),
        )
        for row in profiles
    ]
