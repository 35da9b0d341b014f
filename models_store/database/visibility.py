"""Row-level visibility, enforced by the session so that routes and queries need not care."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, with_loader_criteria
from sqlalchemy.orm.interfaces import ORMOption

from models_store.database.tables import (
    ApiKey,
    ApiKeyMicroscope,
    Artifact,
    CameraCheckRow,
    Image,
    Job,
    JobDeletion,
    JobDependency,
    JobEvent,
    JobImage,
    JobNetwork,
    JobNoiseModel,
    Microscope,
    Network,
    NoiseModelActivation,
    NoiseModelRow,
    PartPlanes,
    PixelPairsRow,
    Profile,
    Webhook,
)
from models_store.errors import ForbiddenError, InvalidRequestError

SEES_ALL: dict[str, Any] = {"sees_all": True}
"""Execution options of a statement that is not restricted to what the viewer may see."""

TABLES_WITH_PROFILE = (
    CameraCheckRow,
    Image,
    NoiseModelRow,
    NoiseModelActivation,
    PixelPairsRow,
    Network,
    Job,
)
TABLES_WITH_JOB = (
    Artifact,
    JobEvent,
    JobDependency,
    JobImage,
    JobNetwork,
    JobNoiseModel,
    PartPlanes,
    Webhook,
)
TABLES_WITH_OWNER = (Image, Job, Network, NoiseModelRow, PixelPairsRow)


@dataclass(frozen=True)
class Viewer:
    """The API key on whose behalf a session is used."""

    key_id: str | None = None
    microscope_ids: tuple[str, ...] | None = None
    """Microscopes whose data it sees; None: no restriction."""

    def sees(self, microscope_id: str | None) -> bool:
        """Return whether the criteria below show rows of this microscope; None: rows of no microscope."""
        return self.microscope_ids is None or microscope_id in self.microscope_ids


ANYBODY = Viewer()


class ViewerSession(Session):
    """A session that finds only what its viewer may see; rows that it adds belong to the viewer."""

    def __init__(self, bind: Engine | Connection, viewer: Viewer) -> None:
        super().__init__(bind, expire_on_commit=False)
        self.viewer = viewer
        self.criteria = (
            [] if viewer.microscope_ids is None else visibility_criteria(viewer.key_id, viewer.microscope_ids)
        )


def require_named_microscope(session: Session, named: str | None) -> None:
    """Raise InvalidRequestError if a restricted viewer creates something without naming a microscope."""
    if named is None and isinstance(session, ViewerSession) and session.criteria:
        raise InvalidRequestError(
            "microscope: this API key is bound to microscopes; name the one that this belongs to"
        )


def visibility_criteria(key_id: str | None, microscope_ids: Sequence[str]) -> list[ORMOption]:
    """Return the criteria that hide all rows of no microscope or of another one."""
    # The subqueries use plain tables: criteria would be applied recursively to mapped classes.
    profile, job = Profile.__table__.c, Job.__table__.c
    profile_ids = select(profile.id).where(profile.microscope_id.in_(microscope_ids))
    job_ids = select(job.id).where(job.profile_id.in_(profile_ids))
    conditions = [
        (Microscope, Microscope.id.in_(microscope_ids)),
        (Profile, Profile.microscope_id.in_(microscope_ids)),
        (JobDeletion, JobDeletion.microscope_id.in_(microscope_ids)),
        (ApiKey, ApiKey.id == key_id),
        (ApiKeyMicroscope, ApiKeyMicroscope.api_key_id == key_id),
        *((table, table.profile_id.in_(profile_ids)) for table in TABLES_WITH_PROFILE),
        *((table, table.job_id.in_(job_ids)) for table in TABLES_WITH_JOB),
    ]
    return [with_loader_criteria(table, condition, include_aliases=True) for table, condition in conditions]


@event.listens_for(ViewerSession, "do_orm_execute")
def _apply_criteria(state: ORMExecuteState) -> None:
    session = state.session
    if not isinstance(session, ViewerSession) or state.execution_options.get("sees_all"):
        return
    # Loading further columns of a row that was already found needs, and permits, no criteria.
    if session.criteria and not state.is_column_load and not state.is_insert:
        state.statement = state.statement.options(*session.criteria)


@event.listens_for(ViewerSession, "before_flush")
def _set_owner(session: Session, _: UOWTransaction, __: object) -> None:
    if not isinstance(session, ViewerSession):
        return
    for row in session.new:
        if isinstance(row, TABLES_WITH_OWNER):
            row.owner_id = session.viewer.key_id
        if not session.criteria:
            continue
        if isinstance(row, Microscope):
            raise ForbiddenError(
                "this API key is bound to microscopes; only an unbound one may create a microscope"
            )
        if isinstance(row, TABLES_WITH_PROFILE):
            require_named_microscope(session, row.profile_id)
