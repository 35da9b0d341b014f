"""Routes of an image's microscope: which ones its file tells, and another choice than at the upload."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.documents.images import ImageDocument, image_document
from app.documents.microscopes import MicroscopeMatchDocument
from app.http.authorization import READ, SUBMIT
from app.http.dependencies import ReadSession, RequestServices, WriteSession
from app.http.profile_parameters import profile_of_upload
from models_store.contracts.spec_parts import Name
from models_store.image_files.header import ImageHeader
from models_store.repositories import images
from models_store.repositories.microscope_matches import matching_microscopes
from models_store.repositories.profile_settings import DetectorSettings

router = APIRouter(prefix="/images", tags=["images"])


class AssignedMicroscope(BaseModel):
    """Microscope and profile of an image."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"microscope": "Spinning disc 2", "profile": None}]}
    )

    microscope: Name | None = Field(description="Id or name of a microscope; null: none.")
    profile: Name | None = Field(
        default=None,
        description="Id or name of a profile of it. Default: that of the file's settings, as for an upload.",
    )


@router.get("/{image_id}/microscope-matches", dependencies=READ)
def list_microscope_matches(image_id: str, session: ReadSession) -> list[MicroscopeMatchDocument]:
    """List the microscopes that an image may be of, by what its file tells of camera and microscope."""
    image = images.get_image(session, image_id)
    return [MicroscopeMatchDocument.of(each) for each in matching_microscopes(session, image)]


@router.patch("/{image_id}", dependencies=SUBMIT)
def assign_microscope(
    image_id: str, assigned: AssignedMicroscope, session: WriteSession, services: RequestServices
) -> ImageDocument:
    """Assign an upload, with all images of its file, to another microscope or profile, or to none.

    Refused once a job has read it.
    """
    image = images.get_image(session, image_id)
    told = image.requested_settings if assigned.microscope and not assigned.profile else None
    profile, choice = profile_of_upload(
        session,
        assigned.microscope,
        assigned.profile,
        DetectorSettings.model_validate(told) if told else None,
        ImageHeader.model_validate(image.header),
        services.clock(),
    )
    images.assign_profile(session, image, profile, choice)
    return image_document(session, image)
