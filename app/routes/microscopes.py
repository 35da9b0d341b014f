"""Routes of microscopes and their acquisition profiles."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.documents.microscopes import MicroscopeDocument, ProfileDocument
from app.http.authorization import ADMIN, CALIBRATE, READ
from app.http.dependencies import PageQuery, ReadSession, RequestServices, WriteSession
from app.http.paging import link_next_page
from models_store.contracts.numbers import JSON_NUMBER
from models_store.repositories import microscopes

router = APIRouter(prefix="/microscopes", tags=["microscopes"])

# No slash: names are used in URL paths. No white space at the ends. The other characters are listed because
# \s matches them in some of pydantic, JavaScript and Python, but not in all.
_AT_THE_ENDS = r"[^\s\u001c-\u001f\u0085\ufeff/]"
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=rf"^{_AT_THE_ENDS}([^/]*{_AT_THE_ENDS})?$")]


class NewMicroscope(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "Spinning disc 2", "description": "Room 3.14"}]},
    )

    name: Name
    description: Annotated[str, Field(max_length=2000)] = ""


class NewProfile(BaseModel):
    """Acquisition settings that determine the noise of an image; leave out what is unknown."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "16 bit, slow scan", "camera": "sCMOS", "gain": 0.46, "exposure_ms": 20}]
        },
    )

    name: Name
    camera: Annotated[str, Field(max_length=200)] | None = None
    readout_mode: Annotated[str, Field(max_length=200)] | None = None
    gain: Annotated[float, Field(gt=0, allow_inf_nan=False), JSON_NUMBER] | None = None
    binning: Annotated[int, Field(ge=1, le=64), JSON_NUMBER] | None = None
    exposure_ms: Annotated[float, Field(gt=0, allow_inf_nan=False), JSON_NUMBER] | None = None
    bit_depth: Annotated[int, Field(ge=1, le=64), JSON_NUMBER] | None = None
    offset_adu: Annotated[float, Field(allow_inf_nan=False), JSON_NUMBER] | None = None
    camera_serial: Annotated[str, Field(max_length=200)] | None = None
    gain_name: (
        Annotated[str, Field(max_length=200, description="Name or step of the gain, as files spell it.")]
        | None
    ) = None
    em_gain: Annotated[float, Field(gt=0, allow_inf_nan=False), JSON_NUMBER] | None = None


@router.post("", dependencies=ADMIN, status_code=201)
def create_microscope(
    new: NewMicroscope, session: WriteSession, services: RequestServices, response: Response
) -> MicroscopeDocument:
    """Register a microscope."""
    row = microscopes.create_microscope(
        session, name=new.name, description=new.description, now=services.clock()
    )
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


@router.post("/{microscope}/profiles", dependencies=CALIBRATE, status_code=201)
def create_profile(
    microscope: str, new: NewProfile, session: WriteSession, services: RequestServices, response: Response
) -> ProfileDocument:
    """Register an acquisition profile of a microscope."""
    owner = microscopes.find_microscope(session, microscope)
    acquisition = new.model_dump(exclude={"name"})
    row = microscopes.create_profile(
        session, owner, name=new.name, acquisition=acquisition, now=services.clock()
    )
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
