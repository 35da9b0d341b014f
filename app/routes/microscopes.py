"""Routes of microscopes and their acquisition profiles."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.documents.microscopes import MicroscopeDocument, ProfileDocument
from app.http.authorization import ADMIN, CALIBRATE, READ
from app.http.dependencies import PageQuery, ReadSession, RequestServices, WriteSession
from app.http.paging import link_next_page
from app.http.posted_settings import PostedSettings
from app.http.white_space import WHITE_SPACE
from models_store.repositories import microscopes, profiles

router = APIRouter(prefix="/microscopes", tags=["microscopes"])

# No slash: names are used in URL paths. No white space at the ends.
_AT_THE_ENDS = rf"[^{WHITE_SPACE}/]"
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=rf"^{_AT_THE_ENDS}([^/]*{_AT_THE_ENDS})?$")]


About = Annotated[str, Field(max_length=200)] | None


class AboutMicroscope(BaseModel):
    """What is known of a microscope."""

    model_config = ConfigDict(extra="forbid")

    description: Annotated[str, Field(max_length=2000)] = ""
    manufacturer: About = None
    model: About = None
    modality: About = None
    site: About = None
    notes: Annotated[str, Field(max_length=5000)] | None = None


class NewMicroscope(AboutMicroscope):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Spinning disc 2", "modality": "spinning disc", "site": "Room 3.14"}]
        },
    )

    name: Name


class NewProfile(PostedSettings):
    """Acquisition settings that determine the noise of an image; leave out what is unknown.

    Case, spaces, the order of `settings` and the spelling of numbers do not matter. Without a name, the
    profile that has these settings is meant, or a new one that is named after them.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "16 bit, slow scan", "camera": "sCMOS", "gain": 0.46, "exposure_ms": 20}]
        },
    )

    name: Name | None = None


@router.post("", dependencies=ADMIN, status_code=201)
def create_microscope(
    new: NewMicroscope, session: WriteSession, services: RequestServices, response: Response
) -> MicroscopeDocument:
    """Register a microscope."""
    row = microscopes.create_microscope(session, now=services.clock(), **new.model_dump())
    response.headers["Location"] = f"/v1/microscopes/{row.id}"
    return MicroscopeDocument.of(row)


@router.get("", dependencies=READ)
def list_microscopes(
    session: ReadSession, page: PageQuery, request: Request, response: Response
) -> list[MicroscopeDocument]:
    """List microscopes, newest first."""
    found = microscopes.list_microscopes(session, page)
    link_next_page(found.next_cursor, request, response)
    return [MicroscopeDocument.of(row) for row in found.rows]


@router.get("/{microscope}", dependencies=READ)
def get_microscope(microscope: str, session: ReadSession) -> MicroscopeDocument:
    """Get a microscope by its id or its name."""
    return MicroscopeDocument.of(microscopes.find_microscope(session, microscope))


@router.patch("/{microscope}", dependencies=ADMIN)
def change_microscope(microscope: str, changes: AboutMicroscope, session: WriteSession) -> MicroscopeDocument:
    """Change what is known of a microscope; what the request leaves out stays."""
    row = microscopes.find_microscope(session, microscope)
    microscopes.change_microscope(session, row, changes.model_dump(exclude_unset=True))
    return MicroscopeDocument.of(row)


@router.post(
    "/{microscope}/profiles",
    dependencies=CALIBRATE,
    status_code=201,
    responses={200: {"model": ProfileDocument, "description": "The profile that has these settings."}},
)
def create_profile(
    microscope: str, new: NewProfile, session: WriteSession, services: RequestServices, response: Response
) -> ProfileDocument:
    """Register an acquisition profile of a microscope, or return the one that has these settings already.

    Equal settings under another name, or other settings under the name of a profile, are a conflict.
    """
    owner = microscopes.find_microscope(session, microscope)
    row, created = profiles.register_profile(
        session, owner, name=new.name, acquisition=new.columns, now=services.clock()
    )
    if not created:
        response.status_code = 200
    response.headers["Location"] = f"/v1/microscopes/{owner.id}/profiles/{row.id}"
    return ProfileDocument.of(row)


@router.get("/{microscope}/profiles", dependencies=READ)
def list_profiles(
    microscope: str, session: ReadSession, page: PageQuery, request: Request, response: Response
) -> list[ProfileDocument]:
    """List the acquisition profiles of a microscope, newest first."""
    found = microscopes.list_profiles(session, microscopes.find_microscope(session, microscope), page)
    link_next_page(found.next_cursor, request, response)
    return [ProfileDocument.of(row) for row in found.rows]


@router.get("/{microscope}/profiles/{profile}", dependencies=READ)
def get_profile(microscope: str, profile: str, session: ReadSession) -> ProfileDocument:
    """Get an acquisition profile by its id or its name."""
    owner = microscopes.find_microscope(session, microscope)
    return ProfileDocument.of(microscopes.find_profile(session, owner, profile))
