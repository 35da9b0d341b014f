"""Routes of API keys: what administrators list, create and revoke, and everybody's own usage."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.documents.keys import ApiKeyDocument, CreatedKey
from app.http.authorization import ADMIN, READ, Caller
from app.http.dependencies import CurrentCaller, PageQuery, ReadSession, RequestServices, WriteSession
from app.http.paging import link_next_page
from app.http.white_space import LINE_ENDS, WHITE_SPACE
from models_store.contracts.numbers import JSON_NUMBER
from models_store.contracts.vocabulary import Scope
from models_store.errors import ConflictError, ForbiddenError, NotFoundError
from models_store.repositories import api_keys as stored_keys
from models_store.repositories.api_keys import KeyLimits

router = APIRouter(prefix="/keys", tags=["keys"])

# No white space at the ends.
_ONE_LINE = rf"^[^{WHITE_SPACE}]([^{LINE_ENDS}]*[^{WHITE_SPACE}])?$"
_MAX_DAYS = 36_500
_MAX_INTEGER = 2**31 - 1
_MAX_BYTES = 2**53
_CREATED: dict[int | str, dict[str, Any]] = {
    201: {
        "links": {
            "revoke": {
                "operationId": "revoke_key_v1_keys__key__revoke_post",
                "parameters": {"key": "$response.body#/about/id"},
                "description": "Name a key by its id or prefix in addresses, never by the key, a secret.",
            }
        }
    }
}


class NewKey(BaseModel):
    """Scopes, microscopes, expiry and limits of a new key; the server's defaults for what is left out."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "acquisition PC 2", "scopes": ["read", "submit"], "expires_days": 365}]
        },
    )

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=_ONE_LINE)] = Field(
        description="Owner or purpose."
    )
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=4)] = [Scope.READ, Scope.SUBMIT]
    microscopes: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)] = Field(
        default=[], description="Ids or names of the only microscopes that it sees; empty: all."
    )
    expires_days: Annotated[int, Field(ge=1, le=_MAX_DAYS), JSON_NUMBER] | None = Field(
        default=None, description="Days until it expires. Default: never."
    )
    requests_per_minute: Annotated[int, Field(ge=1, le=_MAX_INTEGER), JSON_NUMBER] | None = None
    stored_bytes: Annotated[int, Field(ge=1, le=_MAX_BYTES), JSON_NUMBER] | None = None
    active_jobs: Annotated[int, Field(ge=1, le=_MAX_INTEGER), JSON_NUMBER] | None = None


@router.get("", dependencies=ADMIN)
def list_keys(  # one parameter per API parameter
    session: ReadSession,
    services: RequestServices,
    caller: CurrentCaller,
    page: PageQuery,
    request: Request,
    response: Response,
) -> list[ApiKeyDocument]:
    """List keys with their usage, also expired and revoked ones, newest first."""
    _require_all_microscopes(caller)
    found = stored_keys.list_keys(session, page)
    link_next_page(found.next_cursor, request, response)
    return ApiKeyDocument.of_all(session, found.rows, services.settings, services.clock())


@router.get("/own", dependencies=READ)
def get_own_key(session: ReadSession, services: RequestServices, caller: CurrentCaller) -> ApiKeyDocument:
    """Get the key of this request, with what it uses of its limits."""
    if caller.viewer.key_id is None:
        raise NotFoundError("this server has no API keys, so nothing is counted")
    row = stored_keys.get_key(session, caller.viewer.key_id)
    return ApiKeyDocument.of(session, row, services.settings, services.clock())


@router.post("", dependencies=ADMIN, status_code=201, responses=_CREATED)
def create_key(
    new: NewKey, session: WriteSession, services: RequestServices, caller: CurrentCaller, response: Response
) -> CreatedKey:
    """Create a key and show it once; only a digest of it is stored.

    The first key of a server is created on its machine, as from then on every request needs one.
    """
    if caller.viewer.key_id is None:
        raise ConflictError(
            "this server has no API keys, and would lock everybody out with its first; create that one on "
            "the server's machine: clearscope keys create NAME --scope admin"
        )
    _require_all_microscopes(caller)
    now = services.clock()
    row, token = stored_keys.create_key(
        session,
        name=new.name,
        scopes=new.scopes,
        microscopes=new.microscopes,
        expires_at=now + timedelta(days=new.expires_days) if new.expires_days else None,
        limits=KeyLimits(new.requests_per_minute, new.stored_bytes, new.active_jobs),
        now=now,
    )
    response.headers["Cache-Control"] = "no-store"
    return CreatedKey(key=token, about=ApiKeyDocument.of(session, row, services.settings, now))


@router.post("/{key}/revoke", dependencies=ADMIN)
def revoke_key(
    key: str, session: WriteSession, services: RequestServices, caller: CurrentCaller
) -> ApiKeyDocument:
    """Revoke a key for good, by its id, prefix or name; servers notice within two seconds."""
    _require_all_microscopes(caller)
    now = services.clock()
    row = stored_keys.revoke_key(session, key, now)
    if row.id == caller.viewer.key_id:
        raise ConflictError("this request was sent with that key; revoke it with another one")
    return ApiKeyDocument.of(session, row, services.settings, now)


def _require_all_microscopes(caller: Caller) -> None:
    """Raise ForbiddenError for a key that is bound to microscopes: it could make itself one that is not."""
    if caller.viewer.microscope_ids is not None:
        raise ForbiddenError("this needs an API key that is not bound to microscopes")
