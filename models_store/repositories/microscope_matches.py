"""Microscopes that an image may be of, by what its file tells."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from models_store.database.tables import Image, Microscope, Profile
from models_store.image_files.header import ImageHeader
from models_store.image_files.setting_values import alike
from models_store.repositories.profile_settings import DetectorSettings
from models_store.repositories.profiles import settings_of_profile

Profiles = Select[Profile]

_MOST_PROFILES, _MOST_MICROSCOPES = 2000, 2000
_MOST_MATCHES = 5


@dataclass(frozen=True)
class MicroscopeMatch:
    """A microscope, and what the file tells of it."""

    microscope: Microscope
    told: str
    certain: bool
    """False if others could be meant: several match, or nothing but the model of the camera does."""


def matching_microscopes(session: Session, image: Image) -> list[MicroscopeMatch]:
    """Return the microscopes that fit an image's file best.

    Their profiles have its camera's serial number; else they have the name or model that the file tells;
    else their profiles have its camera's model, and no other serial number. Profiles that were made for this
    image, or after it, do not count.
    """
    header = ImageHeader.model_validate(image.header)
    told = [DetectorSettings.of(each) for each in header.acquisition]
    earlier = select(Profile).where(Profile.created_at < image.created_at)
    if found := _of_serial(session, told, earlier) or _of_name(session, header.microscope):
        return _matches(found, certain=len(found) == 1)
    return _matches(_of_camera(session, told, earlier), certain=False)


def _matches(found: Mapping[Microscope, str], *, certain: bool) -> list[MicroscopeMatch]:
    return [MicroscopeMatch(each, told, certain) for each, told in list(found.items())[:_MOST_MATCHES]]


def _of_name(session: Session, told: str | None) -> dict[Microscope, str]:
    if told is None:
        return {}
    newest = select(Microscope).order_by(Microscope.created_at.desc(), Microscope.id.desc())
    rows = session.scalars(newest.limit(_MOST_MICROSCOPES))
    return {row: f"the microscope {told}" for row in rows if _is_called(row, alike(told))}


def _is_called(microscope: Microscope, told: str) -> bool:
    """Return whether this is the microscope's name or model; files often tell the maker before the model."""
    names = [alike(name) for name in (microscope.name, microscope.model) if name]
    return any(told == name or told.endswith(f" {name}") for name in names)


def _of_serial(
    session: Session, told: Sequence[DetectorSettings], profiles: Profiles
) -> dict[Microscope, str]:
    found: dict[Microscope, str] = {}
    for profile, settings in _alike_in(session, profiles, Profile.camera_serial, _values(told, "serial")):
        for each, own in product(told, settings):
            if _same(each, own, "serial") and not _differ(each, own, "camera"):
                camera = f"{each.camera}, " if each.camera else ""
                words = f"the camera {camera}serial number {each.serial}, as in its profile {profile.name}"
                found.setdefault(profile.microscope, words)
    return found


def _of_camera(
    session: Session, told: Sequence[DetectorSettings], profiles: Profiles
) -> dict[Microscope, str]:
    found: dict[Microscope, str] = {}
    for profile, settings in _alike_in(session, profiles, Profile.camera, _values(told, "camera")):
        for each, own in product(told, settings):
            if _same(each, own, "camera") and not _differ(each, own, "serial"):
                words = f"the camera {each.camera}, as in its profile {profile.name}"
                found.setdefault(profile.microscope, words)
    return found


def _alike_in(
    session: Session,
    profiles: Profiles,
    column: InstrumentedAttribute[str | None],
    values: Collection[str],
) -> Iterator[tuple[Profile, Sequence[DetectorSettings]]]:
    """Yield profiles that may have one of the values, the newest first, with settings of their channels."""
    if not values:
        return
    # The column of a profile is empty if its channels have different detectors.
    of_channels = column.is_(None) & Profile.file_settings.is_not(None)
    query = profiles.where(or_(func.lower(column).in_(values), of_channels))
    newest = query.order_by(Profile.created_at.desc(), Profile.id.desc()).limit(_MOST_PROFILES)
    for profile in session.scalars(newest):
        of_file = (profile.file_settings or {}).values()
        settings = [DetectorSettings.model_validate(each) for each in of_file]
        yield profile, settings or [settings_of_profile(profile)]


def _values(told: Sequence[DetectorSettings], name: str) -> set[str]:
    return {value for each in told if (value := each.canonical().get(name)) is not None}


def _same(one: DetectorSettings, other: DetectorSettings, name: str) -> bool:
    value = one.canonical().get(name)
    return value is not None and value == other.canonical().get(name)


def _differ(one: DetectorSettings, other: DetectorSettings, name: str) -> bool:
    values = {one.canonical().get(name), other.canonical().get(name)}
    return None not in values and len(values) > 1
