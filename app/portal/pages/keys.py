"""API keys: administrators list, create and revoke them, others see their own usage."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.documents.keys import ApiKeyDocument
from app.http.authorization import READ
from app.http.dependencies import CurrentCaller, ReadSession, RequestServices
from app.portal.rendering import Page
from models_store.contracts.vocabulary import Scope
from models_store.repositories import api_keys

router = APIRouter()


@router.get("/keys", dependencies=READ)
def keys(page: Page, session: ReadSession, services: RequestServices, caller: CurrentCaller) -> HTMLResponse:
    now, own_id = services.clock(), caller.viewer.key_id
    administers = caller.may(Scope.ADMIN) and caller.viewer.microscope_ids is None and own_id is not None
    rows = api_keys.list_keys(session) if administers else []
    own = api_keys.get_key(session, own_id) if own_id is not None else None
    return page(
        "keys.html",
        administers=administers,
        keys=[ApiKeyDocument.of(session, row, services.settings, now) for row in rows],
        own=ApiKeyDocument.of(session, own, services.settings, now) if own is not None else None,
        scopes=list(Scope),
    )
