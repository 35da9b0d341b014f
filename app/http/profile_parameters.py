"""Query parameters `microscope` and `profile`."""

from datetime import datetime
from typing import Annotated

from fastapi import Query
from sqlalchemy.orm import Session

from app.http.posted_settings import PostedSettings
from models_store.contracts.spec_parts import CHANNEL_LABEL
from models_store.contracts.vocabulary import ProfileChoice
from models_store.database.tables import Profile
from models_store.database.visibility import require_named_microscope
from models_store.errors import InvalidRequestError
from models_store.image_files.header import ImageHeader
from models_store.repositories import microscopes, profiles
from models_store.repositories.profile_settings import (
    DetectorSettings,
    requested_over_told,
    settings_of_file,
)

MicroscopeQuery = Annotated[str | None, Query(description="Id or name of a microscope.")]
ProfileQuery = Annotated[
    str | None,
    Query(description="Id of an acquisition profile; or its name, if `microscope` is given too."),
]
ChannelQuery = Annotated[
    str | None,
    Query(
        pattern=CHANNEL_LABEL,
        description="Name of a channel of several, or its index (from 0) if it has no name.",
    ),
]


def named_profile(
    session: Session, microscope: str | None, profile: str | None, now: datetime
) -> Profile | None:
    """Return the profile that a request names; for a microscope alone, its default profile."""
    require_named_microscope(session, microscope or profile)
    if microscope is None:
        return microscopes.get_profile(session, profile) if profile is not None else None
    owner = microscopes.find_microscope(session, microscope)
    if profile is None:
        return profiles.default_profile(session, owner, now)
    return microscopes.find_profile(session, owner, profile)


def profile_of_upload(
    session: Session,
    microscope: str | None,
    profile: str | None,
    requested: DetectorSettings | None,
    header: ImageHeader,
    now: datetime,
) -> tuple[Profile | None, ProfileChoice | None]:
    """Return the profile of an uploaded image: the named one, else that of its settings.

    These are those in the file, and in their place those of the request. A microscope alone, and a file that
    tells nothing of its detector, mean the default profile.
    """
    settings = settings_of_file(header)
    if requested is not None:
        settings = requested_over_told(settings, requested)
        if not any(own.tells_of_detector for own in settings.values()):
            raise InvalidRequestError(
                "settings: neither these nor the file tell camera, serial number, readout mode, gain or a "
                "setting of your own; add one of them, or name a profile"
            )
    if microscope is None or profile is not None or not settings:
        found = named_profile(session, microscope, profile, now)
        choice = ProfileChoice.DEFAULT if profile is None else ProfileChoice.NAMED
        return found, choice if found is not None else None
    require_named_microscope(session, microscope)
    owner = microscopes.find_microscope(session, microscope)
    return profiles.profile_of_settings(session, owner, settings, now), ProfileChoice.SETTINGS


def require_microscope_for_settings(
    microscope: str | None, profile: str | None, requested: PostedSettings | None
) -> None:
    """Raise InvalidRequestError for settings beside a named profile, or without a microscope."""
    if requested is None:
        return
    if profile is not None:
        raise InvalidRequestError(
            "settings: the request names a profile, which has its own; send one of the two"
        )
    if microscope is None:
        raise InvalidRequestError("settings: name the microscope that they are of (`microscope`)")


def matching_profiles(session: Session, microscope: str | None, profile: str | None) -> list[str] | None:
    """Return the ids of the profiles to filter a list by; None for no filter."""
    if microscope is None:
        return [microscopes.get_profile(session, profile).id] if profile is not None else None
    owner = microscopes.find_microscope(session, microscope)
    if profile is not None:
        return [microscopes.find_profile(session, owner, profile).id]
    return microscopes.profile_ids(session, owner)
