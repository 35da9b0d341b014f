"""Routes of trained networks."""

from fastapi import APIRouter, BackgroundTasks, Request, Response

from app.documents.networks import NetworkDocument
from app.http.authorization import READ, SUBMIT
from app.http.dependencies import CurrentCaller, PageQuery, ReadSession, RequestServices, WriteSession
from app.http.downloads import Conditional, download, file_responses
from app.http.paging import link_next_page
from app.http.profile_parameters import ChannelQuery, MicroscopeQuery, ProfileQuery, matching_profiles
from models_store.blobs.blobs import StoredBlob
from models_store.contracts.vocabulary import Method
from models_store.repositories import networks

router = APIRouter(prefix="/networks", tags=["networks"])


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
