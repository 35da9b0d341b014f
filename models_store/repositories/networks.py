"""Trained networks."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.contracts.outcomes import MadeNetwork
from models_store.contracts.vocabulary import Method, NoiseModelKind
from models_store.database.tables import Network, NoiseModelRow
from models_store.errors import NotFoundError
from models_store.repositories.pages import Page, PageRequest, fetch_page


def create_network(
    session: Session,
    made: MadeNetwork,
    *,
    profile_id: str | None,
    noise_model_id: str | None,
    job_id: str,
    now: datetime,
) -> Network:
    network = Network(
        id=new_id("net"),
        profile_id=profile_id,
        method=made.method,
        preset=made.preset,
        recipe=made.recipe,
        noise_model_id=noise_model_id,
        blob_key=made.blob.key,
        sha256=made.blob.sha256,
        size_bytes=made.blob.size_bytes,
        description=made.description,
        job_id=job_id,
        created_at=now,
    )
    session.add(network)
    session.flush()
    return network


def get_network(session: Session, network_id: str) -> Network:
    network = session.get(Network, network_id)
    if network is None:
        raise NotFoundError(f"there is no network {network_id!r}")
    return network


def list_networks(
    session: Session, request: PageRequest, *, profile_ids: Sequence[str] | None, method: Method | None
) -> Page[Network]:
    query = select(Network)
    if profile_ids is not None:
        query = query.where(Network.profile_id.in_(profile_ids))
    if method is not None:
        query = query.where(Network.method == method)
    return fetch_page(session, query, Network, request)


def newest_network(
    session: Session,
    profile_id: str,
    method: Method,
    recipe: str,
    *,
    noise_model_kind: NoiseModelKind | None = None,
) -> Network | None:
    """Find the newest network, if wanted of those trained with a noise model of this kind."""
    query = select(Network).where(
        Network.profile_id == profile_id, Network.method == method, Network.recipe == recipe
    )
    if noise_model_kind is not None:
        query = query.join(NoiseModelRow).where(NoiseModelRow.kind == noise_model_kind)
    return session.scalar(query.order_by(Network.created_at.desc()).limit(1))
