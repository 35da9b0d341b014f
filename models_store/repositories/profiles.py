"""Acquisition profiles, which are made once for the same settings."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.database.tables import Microscope, Profile
from models_store.errors import ConflictError, InvalidRequestError, NotFoundError
from models_store.image_files.setting_values import amount, binning
from models_store.repositories.microscopes import find_profile
from models_store.repositories.profile_settings import (
    ALL_CHANNELS,
    DetectorSettings,
    differences,
    fingerprint,
    title,
    unknown_to_one,
)

DEFAULT_PROFILE = "default"


def register_profile(
    session: Session,
    microscope: Microscope,
    *,
    name: str | None,
    acquisition: Mapping[str, Any],
    now: datetime,
) -> tuple[Profile, bool]:
    """Return the profile with these settings, and True if it is new; `acquisition`: by column name.

    Without a name, a new one is named after its settings. Raises ConflictError if the name has other
    settings, or the settings another name.
    """
    _lock_profiles(session, microscope)
    settings = settings_of(acquisition)
    same = _oldest(session, microscope, {ALL_CHANNELS: settings}) if settings.tells_of_detector else None
    if name is None:
        if not settings.tells_of_detector:
            raise InvalidRequestError(
                "name: is needed for a profile that tells neither camera, serial number, readout mode, gain "
                "nor settings of your own"
            )
        if same is not None:
            return same, False
        name = title({ALL_CHANNELS: settings})
    named = _profile_called(session, microscope, name)
    if named is not None:
        _require_the_same(named, settings, acquisition.get("exposure_ms"))
        return named, False
    if same is not None:
        raise ConflictError(
            f"the profile {same.name!r} of microscope {microscope.name!r} has these settings already; use "
            "it, or tell the two apart by a setting of your own (`settings`)"
        )
    return create_profile(session, microscope, name=name, acquisition=acquisition, now=now), True


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
    profile.detector = settings.detector
    profile.microscope = microscope
    session.add(profile)
    try:
        session.flush()
    except IntegrityError as error:
        raise ConflictError(f"microscope {microscope.name!r} has a profile {name!r} already") from error
    return profile


def settings_of(acquisition: Mapping[str, Any]) -> DetectorSettings:
    """Return settings that are given by column name."""
    return settings_of_profile(Profile(**acquisition))


def settings_of_profile(profile: Profile) -> DetectorSettings:
    """Return the settings of a profile that are the same for all channels."""
    gain = profile.gain_name if profile.gain_name is not None else amount(profile.gain)
    known_binning = profile.binning_xy or profile.binning
    return DetectorSettings(
        camera=profile.camera,
        serial=profile.camera_serial,
        readout_mode=profile.readout_mode,
        gain=gain,
        em_gain=profile.em_gain,
        binning=None if known_binning is None else binning(known_binning),
        bit_depth=profile.bit_depth,
        offset=profile.offset_adu,
        region_height=profile.region_height_px,
        settings=profile.settings or None,
    )


def settings_of_channel(profile: Profile, label: str | None) -> DetectorSettings:
    """Return the settings of a profile for one of its channels; if they differ, those that its file told."""
    own = (profile.file_settings or {}).get(label or ALL_CHANNELS)
    return settings_of_profile(profile) if own is None else DetectorSettings.model_validate(own)


def profile_of_settings(
    session: Session, microscope: Microscope, settings: Mapping[str, DetectorSettings], now: datetime
) -> Profile:
    """Return the oldest profile of a microscope with these settings by channel; created on first use."""
    if (found := _oldest(session, microscope, settings)) is not None:
        return found
    _lock_profiles(session, microscope)
    if (found := _oldest(session, microscope, settings)) is not None:
        return found
    columns = {
        **(_columns(settings[ALL_CHANNELS]) if ALL_CHANNELS in settings else {}),
        "fingerprint": fingerprint(settings),
        "file_settings": {name: own.model_dump(exclude_none=True) for name, own in settings.items()},
    }
    return _created_once(session, microscope, title(settings), columns, now)


def default_profile_of(session: Session, microscope: Microscope) -> Profile | None:
    """Return the profile of images uploaded without one, if there is one already."""
    return _profile_called(session, microscope, DEFAULT_PROFILE)


def default_profile(session: Session, microscope: Microscope, now: datetime) -> Profile:
    """Return the profile of images uploaded without one; created on first use."""
    if (existing := default_profile_of(session, microscope)) is not None:
        return existing
    return _created_once(session, microscope, DEFAULT_PROFILE, {}, now)


def _profile_called(session: Session, microscope: Microscope, name: str) -> Profile | None:
    with suppress(NotFoundError):
        return find_profile(session, microscope, name)
    return None


def _oldest(
    session: Session, microscope: Microscope, settings: Mapping[str, DetectorSettings]
) -> Profile | None:
    query = select(Profile).where(
        Profile.microscope_id == microscope.id, Profile.fingerprint == fingerprint(settings)
    )
    return session.scalar(query.order_by(Profile.created_at, Profile.id).limit(1))


def _require_the_same(named: Profile, settings: DetectorSettings, exposure_ms: float | None) -> None:
    """Raise ConflictError, with the differences, unless a profile has these settings and exposure."""
    own = settings_of_profile(named)
    found = differences(settings, own)
    found += [f"{name} in one of the two alone" for name in unknown_to_one(settings, own)]
    if amount(exposure_ms) != amount(named.exposure_ms):
        found.append(f"an exposure of {named.exposure_ms} ms instead of {exposure_ms} ms")
    if found:
        raise ConflictError(
            f"microscope {named.microscope.name!r} has a profile {named.name!r} already, with "
            f"{', '.join(found)}; choose another name, or leave the name out"
        )


def _columns(settings: DetectorSettings) -> dict[str, Any]:
    """Return the columns of a profile that hold settings; `binning` only if it is the same along X and Y."""
    x_px, _, y_px = (settings.binning or "").partition("x")
    return {
        "camera": settings.camera,
        "camera_serial": settings.serial,
        "readout_mode": settings.readout_mode,
        "gain_name": settings.gain,
        "em_gain": settings.em_gain,
        "binning": int(x_px) if x_px and x_px == y_px else None,
        "binning_xy": settings.binning if y_px else None,
        "bit_depth": settings.bit_depth,
        "offset_adu": settings.offset,
        "region_height_px": settings.region_height,
        "settings": dict(settings.settings) if settings.settings else None,
    }


def _created_once(
    session: Session, microscope: Microscope, name: str, acquisition: Mapping[str, Any], now: datetime
) -> Profile:
    """Create a profile, or return the one of this name: two concurrent uploads may both be the first."""
    with suppress(ConflictError), session.begin_nested():
        return create_profile(session, microscope, name=name, acquisition=acquisition, now=now)
    return find_profile(session, microscope, name)


def _lock_profiles(session: Session, microscope: Microscope) -> None:
    # FOR NO KEY UPDATE still permits inserts of rows that refer to the microscope.
    query = select(Microscope.id).where(Microscope.id == microscope.id)
    session.execute(query.with_for_update(key_share=True))
