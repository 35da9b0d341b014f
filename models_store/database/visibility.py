"""What a caller sees: enforced in its session, so that no route and no query has to remember it."""

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
    Image,
    Job,
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
    Profile,
    Webhook,
)
from models_store.errors import ForbiddenError, InvalidRequestError

SEES_ALL: dict[str, Any] = {"sees_all": True}
"""Execution options of a statement that follows from a caller's act but is not its view."""

OF_A_PROFILE = (Image, NoiseModelRow, NoiseModelActivation, Network, Job)
OF_A_JOB = (Artifact, JobEvent, JobDependency, JobImage, JobNetwork, JobNoiseModel, PartPlanes, Webhook)
OWNED = (Image, Job, Network, NoiseModelRow)


@dataclass(frozen=True)
class Viewer:
    """On whose behalf a session is used."""

    key_id: str | None = None
    microscope_ids: tuple[str, ...] | None = None
    """The only microscopes whose things it sees; None: everything."""


ANYBODY = Viewer()


class ViewerSession(Session):
    """A session that finds what its viewer may see, and nothing else; what it adds is the viewer's."""

    def __init__(self, bind: Engine | Connection, viewer: Viewer) -> None:
        super().__init__(bind, expire_on_commit=False)
        self.viewer = viewer
        self.criteria = [] if viewer.microscope_ids is None else visible(viewer.key_id, viewer.microscope_ids)


def require_named_microscope(session: Session, named: str | None) -> None:
    """Raise if a new thing would belong to no microscope although its maker sees none but its own."""
    if named is None and isinstance(session, ViewerSession) and session.criteria:
        raise InvalidRequestError(
            "microscope: this API key is bound to microscopes; name the one that this belongs to"
        )


def visible(key_id: str | None, microscope_ids: Sequence[str]) -> list[ORMOption]:
    """Make the conditions that hide what belongs to no microscope, or to another one."""
    # Subqueries of plain tables: conditions on classes would be applied to themselves.
    profile, job = Profile.__table__.c, Job.__table__.c
    profile_ids = select(profile.id).where(profile.microscope_id.in_(microscope_ids))
    job_ids = select(job.id).where(job.profile_id.in_(profile_ids))
    conditions = [
        (Microscope, Microscope.id.in_(microscope_ids)),
        (Profile, Profile.microscope_id.in_(microscope_ids)),
        (ApiKey, ApiKey.id == key_id),
        (ApiKeyMicroscope, ApiKeyMicroscope.api_key_id == key_id),
        *((table, table.profile_id.in_(profile_ids)) for table in OF_A_PROFILE),
        *((table, table.job_id.in_(job_ids)) for table in OF_A_JOB),
    ]
    return [with_loader_criteria(table, condition, include_aliases=True) for table, condition in conditions]


@event.listens_for(ViewerSession, "do_orm_execute")
def _hide(state: ORMExecuteState) -> None:
    session = state.session
    if not isinstance(session, ViewerSession) or state.execution_options.get("sees_all"):
        return
    # The columns of a row that was found already need no condition, and bear none.
    if session.criteria and not state.is_column_load and not state.is_insert:
        state.statement = state.statement.options(*session.criteria)


@event.listens_for(ViewerSession, "before_flush")
def _set_owner(session: Session, _: UOWTransaction, __: object) -> None:
    if not isinstance(session, ViewerSession):
        return
    for row in session.new:
        if isinstance(row, OWNED):
            row.owner_id = session.viewer.key_id
        if not session.criteria:
            continue
        if isinstance(row, Microscope):
            raise ForbiddenError("this API key is bound to microscopes; one that is not may create others")
        if isinstance(row, OF_A_PROFILE):
            require_named_microscope(session, row.profile_id)
