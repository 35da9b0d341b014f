"""A monthly report, from the checks of a microscope's profiles."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from app.camera_reports.camera_charts import camera_charts
from app.camera_reports.charts import control_charts
from app.documents.camera_reports import (
    CameraReport,
    CameraVerdict,
    ReportedCamera,
    ReportedFigure,
    ReportedNoiseModel,
)
from app.documents.microscopes import MicroscopeDocument
from models_store.contracts.camera_figures import CameraCheck, FigureName
from models_store.database.tables import CameraCheckRow, Microscope, NoiseModelRow, Profile
from models_store.repositories.camera_checks import checks_between, drift_of
from models_store.repositories.microscopes import get_profiles, profile_ids
from models_store.repositories.noise_models import list_active_noise_models
from models_store.repositories.pages import PageRequest

MAX_CHECKS, _MAX_MODELS = 10_000, 1000
_MONTHS_PER_YEAR = 12


def month_bounds(month: str) -> tuple[datetime, datetime]:
    """Return beginning and end of a month like 2026-11, in UTC."""
    year, number = map(int, month.split("-"))
    following = (year + 1, 1) if number == _MONTHS_PER_YEAR else (year, number + 1)
    return datetime(year, number, 1, tzinfo=UTC), datetime(*following, 1, tzinfo=UTC)


def camera_report(session: Session, microscope: Microscope, month: str, now: datetime) -> CameraReport:
    """Report on all profiles that were checked in a month, or have an active noise model."""
    since, until = month_bounds(month)
    ids = profile_ids(session, microscope)
    checks: dict[tuple[str, str | None], list[CameraCheckRow]] = {}
    rows = checks_between(session, ids, since, until, limit=MAX_CHECKS)
    for row in rows:
        if row.profile_id is not None:
            checks.setdefault((row.profile_id, row.channel), []).append(row)
    active = list_active_noise_models(session, PageRequest(limit=_MAX_MODELS), profile_ids=ids, at=now).rows
    models = {(row.profile_id, row.channel): row for row in active if row.profile_id is not None}
    places = sorted({*checks, *models}, key=lambda place: (place[0], place[1] or ""))
    profiles = {row.id: row for row in get_profiles(session, [profile_id for profile_id, _ in places])}
    cameras = [
        _camera(profiles[place[0]], place[1], models.get(place), checks.get(place, ())) for place in places
    ]
    cameras.sort(key=lambda each: (each.profile, each.channel or ""))
    return CameraReport(
        microscope=MicroscopeDocument.of(microscope),
        month=month,
        since=since,
        until=until,
        made_at=now,
        told=_told(microscope.name, since, cameras),
        cameras=cameras,
        camera_charts=camera_charts(rows),
    )


def _camera(
    profile: Profile, channel: str | None, noise_model: NoiseModelRow | None, rows: Sequence[CameraCheckRow]
) -> ReportedCamera:
    figures = _latest(rows)
    drifted = any(each.verdict == "drifted" for each in figures)
    fine = any(each.verdict == "ok" for each in figures)
    verdict: CameraVerdict = "drifted" if drifted else "ok" if fine else "undecided" if rows else "unchecked"
    return ReportedCamera(
        profile=profile.name,
        profile_id=profile.id,
        channel=channel,
        camera=profile.camera,
        camera_serial=profile.camera_serial,
        noise_model=_noise_model(noise_model) if noise_model else None,
        checks=len(rows),
        verdict=verdict,
        told=_sentence(verdict, figures),
        figures=figures,
        charts=control_charts(rows),
    )


def _latest(rows: Sequence[CameraCheckRow]) -> list[ReportedFigure]:
    """Return the latest of each figure; one that a calibration tells is better than an image's."""
    latest: dict[FigureName, ReportedFigure] = {}
    for row in sorted(rows, key=lambda each: (each.source == "calibration", each.created_at)):
        for figure in CameraCheck.model_validate(row.check).figures:
            latest[figure.name] = ReportedFigure(**figure.model_dump(), at=row.created_at, check_id=row.id)
    return [latest[name] for name in FigureName if name in latest]


def _noise_model(row: NoiseModelRow) -> ReportedNoiseModel:
    return ReportedNoiseModel(
        id=row.id, version=row.version, origin=row.origin, created_at=row.created_at, drift=drift_of(row)
    )


def _sentence(verdict: CameraVerdict, figures: Sequence[ReportedFigure]) -> str:
    match verdict:
        case "drifted":
            changed = ", ".join(each.title for each in figures if each.verdict == "drifted")
            return f"It has drifted ({changed}): calibrate it again before results are compared."
        case "ok":
            checked = ", ".join(each.title for each in figures if each.verdict == "ok")
            return f"It is as it was when its noise model was made: {checked}."
        case "undecided":
            return "It was checked, but the images do not tell if it has drifted: record calibration frames."
        case _:
            return "It was not checked in this month: record 20 frames of one scene, and 20 dark frames."


def _told(name: str, since: datetime, cameras: Sequence[ReportedCamera]) -> list[str]:
    month = f"{since:%B %Y}"
    if not cameras:
        return [f"{name} has no noise model yet, and none of its cameras was checked in {month}."]
    checked = [each for each in cameras if each.checks]
    drifted = [each for each in checked if each.verdict == "drifted"]
    sentences = [f"{len(checked)} of {len(cameras)} camera settings of {name} were checked in {month}."]
    if drifted:
        names = ", ".join(f"{each.profile}{f', {each.channel}' if each.channel else ''}" for each in drifted)
        sentences.append(
            f"Drifted: {names}. Results of these settings may be wrong until they are calibrated again."
        )
    elif checked:
        sentences.append("None of them has drifted.")
    return sentences
