"""Routes of the links to an image or a result that were made: who made them, and their end."""

from fastapi import APIRouter

from app.documents.share_links import ShareLinkDocument
from app.http.authorization import READ
from app.http.dependencies import ReadSession, RequestServices, WriteSession
from models_store.repositories.images import get_image
from models_store.repositories.jobs.artifacts import get_artifact
from models_store.repositories.share_links import end_link, links_to

# Not below /zarr/, which proxies pass on without an account.
of_images = APIRouter(prefix="/images/{image_id}/links", tags=["images"], dependencies=READ)
of_results = APIRouter(prefix="/artifacts/{artifact_id}/links", tags=["artifacts"], dependencies=READ)


@of_images.get("")
def list_links_to_image(
    image_id: str, session: ReadSession, services: RequestServices
) -> list[ShareLinkDocument]:
    """List the valid links to the image, whoever made them, newest first; without their addresses."""
    found = links_to(session, get_image(session, image_id).id, services.clock())
    return [ShareLinkDocument.of(each) for each in found]


@of_images.delete("/{link_id}", status_code=204)
def end_link_to_image(image_id: str, link_id: str, session: WriteSession) -> None:
    """End one link to the image, whoever made it, within two seconds."""
    end_link(session, get_image(session, image_id).id, link_id)


@of_results.get("")
def list_links_to_result(
    artifact_id: str, session: ReadSession, services: RequestServices
) -> list[ShareLinkDocument]:
    """List the valid links to a result and to what it removed, newest first; without their addresses."""
    found = links_to(session, get_artifact(session, artifact_id).id, services.clock())
    return [ShareLinkDocument.of(each) for each in found]


@of_results.delete("/{link_id}", status_code=204)
def end_link_to_result(artifact_id: str, link_id: str, session: WriteSession) -> None:
    """End one link to a result or to what it removed, whoever made it, within two seconds."""
    end_link(session, get_artifact(session, artifact_id).id, link_id)


router = APIRouter()
router.include_router(of_images)
router.include_router(of_results)
