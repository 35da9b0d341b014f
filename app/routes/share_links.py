"""Routes of the links that were made to an image or a result: a list of them, and the end of each."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.orm import Session

from app.documents.share_links import ShareLinkDocument
from app.http.authorization import READ
from app.http.dependencies import ReadSession, RequestServices, WriteSession
from models_store.database.tables import Artifact, Image
from models_store.repositories.images import get_image
from models_store.repositories.jobs.artifacts import get_artifact
from models_store.repositories.share_links import end_link, links_to


def _links_to(collection: str, parameter: str, get: Callable[[Session, str], Image | Artifact]) -> APIRouter:
    """Return the routes of links to what `get` returns for an id."""
    # Not below /zarr/, which proxies pass on without an account.
    prefix = f"/{collection}/{{{parameter}}}/links"
    router = APIRouter(prefix=prefix, tags=[collection], dependencies=READ)
    SubjectId = Annotated[str, Path(alias=parameter)]  # noqa: N806  # a type

    @router.get("")
    def list_links(
        subject_id: SubjectId, session: ReadSession, services: RequestServices
    ) -> list[ShareLinkDocument]:
        """List the valid links, whoever made them, newest first; without their addresses."""
        found = links_to(session, get(session, subject_id), services.clock())
        return [ShareLinkDocument.of(each) for each in found]

    @router.delete("/{link_id}", status_code=204)
    def end_one_link(subject_id: SubjectId, link_id: str, session: WriteSession) -> None:
        """End one link, whoever made it, within two seconds; others stay valid."""
        end_link(session, get(session, subject_id).id, link_id)

    return router


router = APIRouter()
router.include_router(_links_to("images", "image_id", get_image))
router.include_router(_links_to("artifacts", "artifact_id", get_artifact))
