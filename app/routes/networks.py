"""Trained networks."""

from fastapi import APIRouter, BackgroundTasks, Request, Response

from app.documents.networks import NetworkDocument
from app.http.authorization import READ, SUBMIT
from app.http.dependencies import PageQuery, Provided, Reading, WhoAsks, Writing
from app.http.downloads import FILE_RESPONSES, Conditional, download
from app.http.paging import link_next_page
from app.http.profile_parameters import MicroscopeQuery, ProfileQuery, matching_profiles
from models_store.blobs.blobs import StoredBlob
from models_store.contracts.vocabulary import Method
from models_store.repositories import networks

router = APIRouter(prefix="/networks", tags=["networks"])


@router.get("", dependencies=READ)
def list_networks(  # one parameter for each of the API's
    session: Reading,
    page: PageQuery,
    request: Request,
    response: Response,
    microscope: MicroscopeQuery = None,
    profile: ProfileQuery = None,
    method: Method | None = None,
) -> list[NetworkDocument]:
    """List networks, newest first."""
    profile_ids = matching_profiles(session, microscope, profile)
    found = networks.list_networks(session, page, profile_ids=profile_ids, method=method)
    link_next_page(found.next_cursor, request, response)
    return [NetworkDocument.of(row) for row in found.rows]


@router.get("/{network_id}", dependencies=READ)
def get_network(network_id: str, session: Reading) -> NetworkDocument:
    """Get a network's document: how it was trained, with its loss history."""
    return NetworkDocument.of(networks.get_network(session, network_id))


@router.delete("/{network_id}", dependencies=SUBMIT, status_code=204)
def delete_network(
    network_id: str, session: Writing, provided: Provided, caller: WhoAsks, background: BackgroundTasks
) -> None:
    """Delete a network, unless a stored job refers to it.

    A key with `submit` deletes what its own jobs made, one with `calibrate` any network.
    """
    network = networks.get_network(session, network_id)
    caller.require_own(network.owner_id)
    blob_key = networks.delete_network(session, network)
    background.add_task(provided.blobs.discard, [blob_key])


@router.get("/{network_id}/content", dependencies=READ, response_class=Response, responses=FILE_RESPONSES)
def get_content(network_id: str, session: Reading, provided: Provided, conditions: Conditional) -> Response:
    """Download the weights (safetensors, with the network's description in its metadata)."""
    network = networks.get_network(session, network_id)
    filename = f"{network.method}-{network.id}.safetensors"
    blob = StoredBlob(network.blob_key, network.sha256, network.size_bytes)
    return download(provided, blob, filename=filename, conditions=conditions)
