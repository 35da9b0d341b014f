"""Routes of images and results as OME-Zarr: signed links, and the files that these lead to."""

from datetime import timedelta
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request, Response

from app.http.authorization import READ
from app.http.dependencies import CurrentCaller, RequestServices, WriteSession
from app.http.downloads import client_has
from app.http.private_caching import kept_privately
from app.http.signed_links import Subject
from app.routes.desks import ImageDesk, LayerDesk, ResultDesk
from app.viewing.desk import Desk
from app.viewing.documents import PlanesDocument
from app.viewing.layers import Layer
from app.viewing.viewer_links import LinkDocument, link_document
from app.viewing.zarr_store import ZarrStore
from models_store.repositories.images import get_image
from models_store.repositories.jobs.artifacts import get_artifact
from models_store.repositories.share_links import end_links

of_images = APIRouter(prefix="/images/{image_id}/zarr", tags=["images"], dependencies=READ)
of_results = APIRouter(prefix="/artifacts/{artifact_id}/zarr", tags=["artifacts"], dependencies=READ)

_METADATA_S, _CHUNKS_S = 60, 86_400
_IMAGE = "image"

IfNoneMatch = Annotated[str | None, Header()]
Position = Annotated[
    int, Query(ge=0, description="Which image to open in viewers, if there are several positions.")
]


@of_images.post("", status_code=201)
async def make_link_to_image(
    image_id: str,
    desk: ImageDesk,
    caller: CurrentCaller,
    services: RequestServices,
    request: Request,
    position: Position = 0,
) -> LinkDocument:
    """Make a link that lets programs without a key read the image as OME-Zarr 0.4, until it expires.

    The image is decoded on request, whatever the format of its file. CLEARSCOPE_LINK_VALID_S tells for how
    long the link is valid; it ends earlier if the key that made it does.
    """
    return await _link(desk, Subject("images", image_id, _IMAGE), caller, services, request, position)


@of_results.post("", status_code=201)
async def make_link_to_result(
    artifact_id: str,
    desk: ResultDesk,
    caller: CurrentCaller,
    services: RequestServices,
    request: Request,
    layer: Layer = Layer.RESULT,
    position: Position = 0,
) -> LinkDocument:
    """Make a link that lets programs without a key read a result, or what it removed, as OME-Zarr 0.4."""
    return await _link(desk, Subject("artifacts", artifact_id, layer), caller, services, request, position)


@of_images.delete("", status_code=204)
def end_links_to_image(image_id: str, session: WriteSession) -> None:
    """End all links to the image, whoever made them, within two seconds. New ones can be made."""
    end_links(session, get_image(session, image_id))


@of_results.delete("", status_code=204)
def end_links_to_result(artifact_id: str, session: WriteSession) -> None:
    """End all links to a result and to what it removed, whoever made them, within two seconds."""
    end_links(session, get_artifact(session, artifact_id))


async def _link(
    desk: Desk,
    subject: Subject,
    caller: CurrentCaller,
    services: RequestServices,
    request: Request,
    position: int,
) -> LinkDocument:
    store = ZarrStore(desk, subject.layer)
    store.require_position(position)
    windows = await store.windows(position)
    valid = timedelta(seconds=services.settings.link_valid_s)
    link = await to_thread.run_sync(services.keys.signed_link, subject, caller, valid)
    href = str(request.base_url).rstrip("/") + link.path
    return link_document(
        link.id,
        href if store.layout.images == 1 else f"{href}/{position}",
        link.expires_at,
        services.settings,
        store.layout.axes,
        PlanesDocument.of(desk.view.header),
        windows,
    )


# Who may read these is told by their link, which is checked before they are routed.
@of_images.api_route(
    "/{link}/image.ome.zarr/{path:path}",
    methods=["GET", "HEAD"],
    include_in_schema=False,
    response_class=Response,
)
async def get_file_of_image(path: str, desk: ImageDesk, if_none_match: IfNoneMatch = None) -> Response:
    return await _file(ZarrStore(desk, _IMAGE), path, if_none_match)


@of_results.api_route(
    "/{link}/{layer}.ome.zarr/{path:path}",
    methods=["GET", "HEAD"],
    include_in_schema=False,
    response_class=Response,
)
async def get_file_of_result(
    path: str, layer: Layer, desk: LayerDesk, if_none_match: IfNoneMatch = None
) -> Response:
    return await _file(ZarrStore(desk, layer), path, if_none_match)


async def _file(store: ZarrStore, path: str, known: str | None) -> Response:
    etag = store.etag(path)
    is_chunk = not path.rpartition("/")[2].startswith(".")
    kept = kept_privately(_CHUNKS_S, immutable=True) if is_chunk else kept_privately(_METADATA_S)
    headers = {"ETag": etag, **kept}
    if client_has(etag, known):
        return Response(status_code=304, headers=headers)
    media_type = "application/octet-stream" if is_chunk else "application/json"
    return Response(await store.read(path), media_type=media_type, headers=headers)


router = APIRouter()
router.include_router(of_images)
router.include_router(of_results)
