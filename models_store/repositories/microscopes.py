"""Microscopes, and look-ups of their acquisition profiles."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.database.tables import Microscope, Profile
from models_store.errors import ConflictError, NotFoundError
from models_store.repositories.pages import Page, PageRequest, fetch_page


def create_microscope(
    session: Session, *, name: str, description: str, now: datetime, **about: str | None
) -> Microscope:
    """Create a microscope; `about` holds manufacturer, model, modality, site and notes."""
    microscope = Microscope(id=new_id("mic"), name=name, description=description, created_at=now, **about)
    session.add(microscope)
    try:
        session.flush()
    except IntegrityError as error:
        raise ConflictError(
            f"a microscope named {name!r} exists already; use it, or choose another name"
        ) from error
    return microscope


def change_microscope(session: Session, microscope: Microscope, changes: Mapping[str, Any]) -> None:
    """Change what is known of a microscope, by column name."""
    for name, value in changes.items():
        setattr(microscope, name, value)
    session.flush()


def find_microscope(session: Session, key: str) -> Microscope:
    """Return a microscope by its id or name."""
    found = session.scalar(select(Microscope).where((Microscope.id == key) | (Microscope.name == key)))
    if found is None:
        raise NotFoundError(f"there is no microscope {key!r}; create it with POST /v1/microscopes")
    return found


def list_microscopes(session: Session, request: PageRequest) -> Page[Microscope]:
    return fetch_page(session, select(Microscope), Microscope, request)


def get_profile(session: Session, profile_id: str) -> Profile:
    found = session.get(Profile, profile_id)
    if found is None:
        raise NotFoundError(
            f"there is no profile with the id {profile_id!r}; to refer to a profile by name, "
            "name its microscope too"
        )
    return found


def find_profile(session: Session, microscope: Microscope, key: str) -> Profile:
    """Return a profile of this microscope by its id or name."""
    found = session.scalar(
        select(Profile).where(
            Profile.microscope_id == microscope.id, (Profile.id == key) | (Profile.name == key)
        )
    )
    if found is None:
        raise NotFoundError(
            f"microscope {microscope.name!r} has no profile {key!r}; "
            f"create it with POST /v1/microscopes/{microscope.id}/profiles"
        )
    return found


def list_profiles(session: Session, microscope: Microscope, request: PageRequest) -> Page[Profile]:
    query = select(Profile).where(Profile.microscope_id == microscope.id)
    return fetch_page(session, query, Profile, request)


def get_profiles(session: Session, profile_ids: Sequence[str]) -> list[Profile]:
    """Return profiles in the order of their ids; unknown ids are skipped."""
    found = {row.id: row for row in session.scalars(select(Profile).where(Profile.id.in_(profile_ids)))}
    return [found[profile_id] for profile_id in profile_ids if profile_id in found]


def profile_ids(session: Session, microscope: Microscope) -> list[str]:
    """Return the ids of all profiles of a microscope."""
    return list(session.scalars(select(Profile.id).where(Profile.microscope_id == microscope.id)))
