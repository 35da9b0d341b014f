"""Trained networks."""

from fastapi import APIRouter, Request, Response

from app.dependencies import PageQuery, Provided, Reading
from app.documents import NetworkDocument
from app.downloads import IfNoneMatch, download
from app.origins import MicroscopeQuery, ProfileQuery, matching_profiles
from app.paging import link_next_page
from models_store.contracts.states import Method
from models_store.repositories import networks

router = APIRouter(prefix="/networks", tags=["networks"])


@router.get("")
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


@router.get("/{network_id}")
def get_network(network_id: str, session: Reading) -> NetworkDocument:
    """Get a network's document: how it was trained, with its loss history."""
    return NetworkDocument.of(networks.get_network(session, network_id))


@router.get("/{network_id}/content", response_class=Response)
def get_content(
    network_id: str, session: Reading, provided: Provided, if_none_match: IfNoneMatch = None
) -> Response:
    """Download the weights (safetensors, with the network's description in its metadata)."""
    network = networks.get_network(session, network_id)
    filename = f"{network.method}-{network.id}.safetensors"
    return download(
        provided, key=network.blob_key, sha256=network.sha256, filename=filename, if_none_match=if_none_match
    )
