"""API keys: administrators list, create and revoke them, others see their own usage."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from app.documents.keys import ApiKeyDocument
from app.http.authorization import READ
from app.http.dependencies import CurrentCaller, ReadSession, RequestServices
from app.portal.rendering import Page
from models_store.contracts.vocabulary import Scope
from models_store.repositories import api_keys
from models_store.repositories.pages import CURSOR_PATTERN, PageRequest

router = APIRouter()

_KEYS = 50

Cursor = Annotated[str | None, Query(pattern=CURSOR_PATTERN)]


@router.get("/keys", dependencies=READ)
def keys(
    page: Page, session: ReadSession, services: RequestServices, caller: CurrentCaller, cursor: Cursor = None
) -> HTMLResponse:
    now, own_id = services.clock(), caller.viewer.key_id
    administers = caller.may(Scope.ADMIN) and caller.viewer.microscope_ids is None and own_id is not None
    found = api_keys.list_keys(session, PageRequest(_KEYS, cursor)) if administers else None
    own = api_keys.get_key(session, own_id) if own_id is not None else None
    return page(
        "keys.html",
        administers=administers,
        keys=ApiKeyDocument.of_all(session, found.rows if found else [], services.settings, now),
        older=found.next_cursor if found else None,
        own=ApiKeyDocument.of(session, own, services.settings, now) if own is not None else None,
        scopes=list(Scope),
    )
