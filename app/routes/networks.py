"""Routes of networks: lists, import of pretrained ones, download."""

from fastapi import APIRouter, BackgroundTasks, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.documents.networks import NetworkDocument
from app.http.authorization import CALIBRATE, READ, SUBMIT
from app.http.dependencies import CurrentCaller, PageQuery, ReadSession, RequestServices, WriteSession
from app.http.downloads import Conditional, download, file_responses
from app.http.paging import link_next_page
from app.http.profile_parameters import ChannelQuery, MicroscopeQuery, ProfileQuery, matching_profiles
from app.http.received_files import receive_file
from app.imports import ImportTarget, import_pretrained
from models_store.blobs.blobs import StoredBlob
from models_store.contracts.vocabulary import Method
from models_store.errors import NetworkFileInvalidError
from models_store.network_files.pretrained import MAX_FILE_BYTES
from models_store.repositories import networks

router = APIRouter(prefix="/networks", tags=["networks"])

_FILE_BODY = {
    "requestBody": {
        "required": True,
        "description": "The bytes of a network's file that `clearscope pretrain` wrote.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("", dependencies=READ)
def list_networks(  # one parameter per API parameter
    session: ReadSession,
    page: PageQuery,
    request: Request,
    response: Response,
    microscope: MicroscopeQuery = None,
    profile: ProfileQuery = None,
    channel: ChannelQuery = None,
    method: Method | None = None,
) -> list[NetworkDocument]:
    """List networks, newest first."""
    profile_ids = matching_profiles(session, microscope, profile)
    found = networks.list_networks(session, page, profile_ids=profile_ids, method=method, channel=channel)
    link_next_page(found.next_cursor, request, response)
    return [NetworkDocument.of(row) for row in found.rows]


@router.post("/import", dependencies=CALIBRATE, status_code=201, openapi_extra=_FILE_BODY)
async def import_network(
    request: Request,
    response: Response,
    services: RequestServices,
    caller: CurrentCaller,
    microscope: MicroscopeQuery = None,
    profile: ProfileQuery = None,
    channel: ChannelQuery = None,
) -> NetworkDocument:
    """Import a pretrained network of your own for a microscope, one of its profiles, or one of its channels.

    From then on it takes the place of the network that comes with ClearScope in jobs of their images: of the
    one for single planes, or, if it sees planes with neighbours (`method` is `pretrained_stack`), of the one
    for those. With neither, jobs have to name it.
    """
    too_large = NetworkFileInvalidError(
        f"the file has more than {MAX_FILE_BYTES} bytes, so it is no pretrained network"
    )
    content = await receive_file(request, MAX_FILE_BYTES, too_large)
    target = ImportTarget(microscope, profile, channel, caller)
    document = await run_in_threadpool(import_pretrained, services, content, target)
    response.headers["Location"] = f"/v1/networks/{document.id}"
    return document


@router.get("/{network_id}", dependencies=READ)
def get_network(network_id: str, session: ReadSession) -> NetworkDocument:
    """Get a network document, including training settings and loss history."""
    return NetworkDocument.of(networks.get_network(session, network_id))


@router.delete("/{network_id}", dependencies=SUBMIT, status_code=204)
def delete_network(
    network_id: str,
    session: WriteSession,
    services: RequestServices,
    caller: CurrentCaller,
    background: BackgroundTasks,
) -> None:
    """Delete a network, unless a stored job refers to it.

    Keys with `submit` may delete networks of their own jobs, keys with `calibrate` any network.
    """
    network = networks.get_network(session, network_id)
    caller.require_own(network.owner_id)
    blob_key = networks.delete_network(session, network)
    background.add_task(services.blobs.discard, [blob_key])


@router.get("/{network_id}/content", dependencies=READ, response_class=Response, responses=file_responses())
def get_content(
    network_id: str, session: ReadSession, services: RequestServices, conditions: Conditional
) -> Response:
    """Download the weights (safetensors, with the network's description as metadata)."""
    network = networks.get_network(session, network_id)
    filename = f"{network.method}-{network.id}.safetensors"
    blob = StoredBlob(network.blob_key, network.sha256, network.size_bytes)
    return download(services, blob, filename=filename, conditions=conditions)
