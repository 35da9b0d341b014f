"""Marks that checks leave on noise models, and events about them, in every kind of database."""

from datetime import timedelta

from models_store.contracts.camera_figures import (
    CameraCheck,
    CheckSource,
    FigureName,
    FigureVerdict,
    JudgedFigure,
)
from models_store.contracts.noise_models import GmmParameters
from models_store.contracts.outcomes import MadeCheck
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.database.engines import Database
from models_store.repositories import drift_events, microscopes, noise_models, profiles
from models_store.repositories.camera_checks import count_drifted, drift_of, record_check
from models_store.repositories.jobs.rows import get_job
from models_store.repositories.noise_models import get_noise_model
from tests.support.databases import NOON
from tests.support.stored_jobs import add_job

MODEL = GmmParameters(
    weights=[[0.0], [1.0], [0.0]], variance_floor_adu2=1.0, signal_min_adu=0.0, signal_max_adu=9.0
)
HOUR = timedelta(hours=1)


def _check(source: CheckSource, **verdicts: FigureVerdict) -> CameraCheck:
    figures = tuple(
        JudgedFigure(
            name=FigureName(name),
            title=name,
            symbol=None,
            unit="1",
            value=1,
            standard_error=0,
            how="",
            verdict=verdict,
        )
        for name, verdict in verdicts.items()
    )
    verdict: FigureVerdict = "drifted" if "drifted" in verdicts.values() else "ok"
    return CameraCheck(source=source, verdict=verdict, told="it drifted", reference_from="", figures=figures)


def test_marks_are_set_and_cleared_by_figure_and_told_until_that_succeeds(database: Database) -> None:
    add_job(database)
    with database.write() as session:
        scope = microscopes.create_microscope(session, name="m", description="", now=NOON)
        model = noise_models.create_noise_model(
            session,
            profile_id=profiles.default_profile(session, scope, NOON).id,
            origin=NoiseModelOrigin.IMPORT,
            parameters=MODEL,
            fit_quality={},
            made_by=None,
            now=NOON,
        )
    steps: list[tuple[CameraCheck, set[str], str | None]] = [
        (_check("image", offset="drifted", gain="ok"), {"offset"}, "marked"),
        (_check("calibration", offset="ok", gain="drifted"), {"gain"}, "marked"),
        (_check("image", gain="ok"), {"gain"}, None),
        (_check("calibration", gain="undecided"), {"gain"}, None),
        (_check("calibration", gain="ok"), set(), "cleared"),
    ]
    for check, figures, effect in steps:
        with database.write() as session:
            made = MadeCheck(noise_model_id=model.id, check=check)
            row = record_check(session, made, get_job(session, "job_1"), NOON)
            assert row is not None
            assert row.effect == effect
        with database.read() as session:
            drift = drift_of(get_noise_model(session, model.id))
            assert set(drift.figures if drift else ()) == figures
            assert count_drifted(session) == bool(figures)
    with database.write() as session:
        events = drift_events.take_due(session, NOON, first_wait=HOUR, limit=10)
        assert [(each.microscope, each.attempt) for each in events] == [("m", 1)] * 2
        drift_events.record(session, events[0], None)
        drift_events.record(session, events[1], "no answer")
    with database.write() as session:
        assert drift_events.take_due(session, NOON, first_wait=HOUR, limit=10) == []
        (again,) = drift_events.take_due(session, NOON + HOUR, first_wait=HOUR, limit=10)
        assert (again.check_id, again.attempt) == (events[1].check_id, 2)
