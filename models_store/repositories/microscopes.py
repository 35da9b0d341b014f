"""Microscopes and their acquisition profiles."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.database.tables import Microscope, Profile
from models_store.errors import ConflictError, NotFoundError
from models_store.image_files.setting_values import amount, binning
from models_store.repositories.pages import Page, PageRequest, fetch_page
from models_store.repositories.profile_settings import ALL_CHANNELS, DetectorSettings, fingerprint, title

DEFAULT_PROFILE = "default"


def create_microscope(session: Session, *, name: str, description: str, now: datetime) -> Microscope:
    microscope = Microscope(id=new_id("mic"), name=name, description=description, created_at=now)
    session.add(microscope)
    _flush_unique(session, f"a microscope named {name!r} exists already; use it, or choose another name")
    return microscope


def find_microscope(session: Session, key: str) -> Microscope:
    """Return a microscope by its id or name."""
    found = session.scalar(select(Microscope).where((Microscope.id == key) | (Microscope.name == key)))
    if found is None:
        raise NotFoundError(f"there is no microscope {key!r}; create it with POST /v1/microscopes")
    return found


def list_microscopes(session: Session, request: PageRequest) -> Page[Microscope]:
    return fetch_page(session, select(Microscope), Microscope, request)


def create_profile(
    session: Session, microscope: Microscope, *, name: str, acquisition: Mapping[str, Any], now: datetime
) -> Profile:
    """Create a profile; `acquisition` holds camera, gain, exposure... by column name."""
    profile = Profile(
        id=new_id("prof"), microscope_id=microscope.id, name=name, created_at=now, **acquisition
    )
    settings = settings_of_profile(profile)
    if profile.fingerprint is None and settings.tells_of_detector:
        profile.fingerprint = fingerprint({ALL_CHANNELS: settings})
    profile.microscope = microscope
    session.add(profile)
    _flush_unique(session, f"microscope {microscope.name!r} has a profile {name!r} already")
    return profile


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


def settings_of_profile(profile: Profile) -> DetectorSettings:
    """Return the settings of a profile that are the same for all channels."""
    gain = profile.gain_name if profile.gain_name is not None else amount(profile.gain)
    return DetectorSettings(
        camera=profile.camera,
        serial=profile.camera_serial,
        readout_mode=profile.readout_mode,
        gain=gain,
        em_gain=profile.em_gain,
        binning=None if profile.binning is None else binning(profile.binning),
        bit_depth=profile.bit_depth,
        offset=profile.offset_adu,
    )


def profile_of_settings(
    session: Session, microscope: Microscope, settings: Mapping[str, DetectorSettings], now: datetime
) -> Profile:
    """Return the oldest profile of a microscope with these settings by channel; created on first use."""
    wanted = fingerprint(settings)
    query = select(Profile).where(Profile.microscope_id == microscope.id, Profile.fingerprint == wanted)
    found = session.scalar(query.order_by(Profile.created_at, Profile.id).limit(1))
    if found is not None:
        return found
    columns = {
        **(_columns(settings[ALL_CHANNELS]) if ALL_CHANNELS in settings else {}),
        "fingerprint": wanted,
        "file_settings": {name: own.model_dump(exclude_none=True) for name, own in settings.items()},
    }
    return _created_once(session, microscope, title(settings), columns, now)


def _columns(settings: DetectorSettings) -> dict[str, Any]:
    """Return the columns of a profile that hold settings; binning only if it is the same along X and Y."""
    x_px, _, y_px = (settings.binning or "").partition("x")
    return {
        "camera": settings.camera,
        "camera_serial": settings.serial,
        "readout_mode": settings.readout_mode,
        "gain_name": settings.gain,
        "em_gain": settings.em_gain,
        "binning": int(x_px) if x_px and x_px == y_px else None,
        "bit_depth": settings.bit_depth,
        "offset_adu": settings.offset,
    }


def default_profile_of(session: Session, microscope: Microscope) -> Profile | None:
    """Return the profile of images uploaded without one, if there is one already."""
    with suppress(NotFoundError):
        return find_profile(session, microscope, DEFAULT_PROFILE)
    return None


def default_profile(session: Session, microscope: Microscope, now: datetime) -> Profile:
    """Return the profile of images uploaded without one; created on first use."""
    if (existing := default_profile_of(session, microscope)) is not None:
        return existing
    return _created_once(session, microscope, DEFAULT_PROFILE, {}, now)


def _created_once(
    session: Session, microscope: Microscope, name: str, acquisition: Mapping[str, Any], now: datetime
) -> Profile:
    """Create a profile, or return the one of this name: two concurrent uploads may both be the first."""
    with suppress(ConflictError), session.begin_nested():
        return create_profile(session, microscope, name=name, acquisition=acquisition, now=now)
    return find_profile(session, microscope, name)


def _flush_unique(session: Session, conflict: str) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        raise ConflictError(conflict) from error
