"""Trained networks."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models_store.clock_and_ids import new_id
from models_store.contracts.outcomes import MadeNetwork
from models_store.contracts.vocabulary import Method, NoiseModelKind
from models_store.database.tables import Job, JobNetwork, Network, NoiseModelRow
from models_store.database.visibility import SEES_ALL
from models_store.errors import ConflictError, NotFoundError
from models_store.repositories.pages import Page, PageRequest, fetch_page


def create_network(
    session: Session,
    made: MadeNetwork,
    *,
    profile_id: str | None,
    noise_model_id: str | None,
    made_by: Job | None,
    now: datetime,
    channel: str | None = None,
) -> Network:
    network = Network(
        id=new_id("net"),
        profile_id=profile_id,
        channel=channel,
        method=made.method,
        preset=made.preset,
        recipe=made.recipe,
        noise_model_id=noise_model_id,
        blob_key=made.blob.key,
        sha256=made.blob.sha256,
        size_bytes=made.blob.size_bytes,
        description=made.description,
        job_id=made_by.id if made_by else None,
        owner_id=made_by.owner_id if made_by else None,
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


def hold_networks(session: Session, network_ids: Collection[str]) -> None:
    """Lock networks against deletion until the transaction ends. Raises NotFoundError for missing ones."""
    query = select(Network.id).where(Network.id.in_(network_ids)).order_by(Network.id)
    held = set(session.scalars(query.with_for_update(read=True, key_share=True)))
    if missing := sorted(set(network_ids) - held):
        raise NotFoundError(f"network {', '.join(missing)} has been deleted")


def delete_network(session: Session, network: Network) -> str:
    """Delete the row and return its blob key. Raises ConflictError while a stored job refers to it."""
    if session.scalar(select(Network.id).where(Network.id == network.id).with_for_update()) is None:
        raise NotFoundError(f"network {network.id!r} has been deleted")
    referring = select(JobNetwork.job_id).where(JobNetwork.network_id == network.id).limit(1)
    if job_id := session.scalar(referring, execution_options=SEES_ALL):
        raise ConflictError(f"job {job_id} refers to this network; delete that job first")
    session.delete(network)
    session.flush()
    return network.blob_key


def list_networks(
    session: Session,
    request: PageRequest,
    *,
    profile_ids: Sequence[str] | None,
    method: Method | None,
    channel: str | None = None,
) -> Page[Network]:
    query = select(Network)
    if profile_ids is not None:
        query = query.where(Network.profile_id.in_(profile_ids))
    if method is not None:
        query = query.where(Network.method == method)
    if channel is not None:
        query = query.where(Network.channel == channel)
    return fetch_page(session, query, Network, request)


def newest_network(
    session: Session,
    profile_id: str,
    method: Method,
    recipes: Collection[str] | None = None,
    *,
    noise_model_kind: NoiseModelKind | None = None,
    channel: str | None = None,
) -> Network | None:
    """Return the newest matching network; `recipes` None: of any recipe.

    `noise_model_kind`: kind of the noise model it was trained with. `channel`: name of the channel that it
    was trained on; None: it was trained on all planes.
    """
    query = select(Network).where(
        Network.profile_id == profile_id,
        Network.method == method,
        Network.channel.is_not_distinct_from(channel),
    )
    if recipes is not None:
        query = query.where(Network.recipe.in_(recipes))
    if noise_model_kind is not None:
        query = query.join(NoiseModelRow).where(NoiseModelRow.kind == noise_model_kind)
    return session.scalar(query.order_by(Network.created_at.desc()).limit(1))
