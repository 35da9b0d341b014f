"""OpenAPI document, including whether an API key is required."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from app.http.authentication import KeyRing
from models_store.errors import OutageError

OPENAPI_PATH = "/openapi.json"


def install_openapi(app: FastAPI, keys: KeyRing) -> None:
    """Serve the OpenAPI document; it marks the API key as optional while the server has no keys."""

    # Not `async`: it may query the database.
    @app.get(OPENAPI_PATH, include_in_schema=False)
    def openapi() -> JSONResponse:
        document = app.openapi()
        return JSONResponse(document if _needs_key(keys) else _without_keys(document))


def _needs_key(keys: KeyRing) -> bool:
    try:
        return keys.any_key()
    except OutageError:
        return True


def _without_keys(document: Mapping[str, Any]) -> dict[str, Any]:
    return {**document, "paths": {path: _without_key(item) for path, item in document["paths"].items()}}


def _without_key(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        method: {**operation, "security": [{}, *operation["security"]]}
        if "security" in operation
        else operation
        for method, operation in item.items()
    }
