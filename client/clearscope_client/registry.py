"""Microscopes, profiles and noise models."""

from typing import TypeVar

from clearscope_client.documents import Document, Microscope, NoiseModel, Profile
from clearscope_client.errors import ConflictError, NotFoundError
from clearscope_client.reading import document_of, get, get_list, path_of
from clearscope_client.retrying import Conduct, posted
from clearscope_client.steps import Conversation

Named = TypeVar("Named", bound=Document)


def ensure_microscope(conduct: Conduct, name: str) -> Conversation[Microscope]:
    """Return the microscope of this name; create it if there is none."""
    return (yield from _ensure(conduct, Microscope, path_of("microscopes"), name))


def ensure_profile(conduct: Conduct, microscope: str, name: str) -> Conversation[Profile]:
    """Return the microscope's profile of this name; create it if there is none."""
    return (yield from _ensure(conduct, Profile, path_of("microscopes", microscope, "profiles"), name))


def list_noise_models(
    conduct: Conduct,
    microscope: str | None,
    profile: str | None,
    channel: str | None,
    active_at: str | None,
) -> Conversation[list[NoiseModel]]:
    query = {"microscope": microscope, "profile": profile, "channel": channel, "active_at": active_at}
    return (yield from get_list(conduct, NoiseModel, path_of("noise-models"), query))


def _ensure(conduct: Conduct, kind: type[Named], collection: str, name: str) -> Conversation[Named]:
    path = collection + path_of(name).removeprefix("/v1")
    try:
        return (yield from get(conduct, kind, path))
    except NotFoundError:
        pass
    try:
        answer = yield from posted(conduct, collection, {"name": name})
    except ConflictError:
        # An attempt whose answer was lost has created it, or somebody else has.
        return (yield from get(conduct, kind, path))
    return document_of(kind, answer)
