"""Additions to FastAPI's OpenAPI document."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fastapi import FastAPI

from app.http.authentication import KeyRing
from models_store.errors import OutageError


def describe_keys(app: FastAPI, keys: KeyRing) -> None:
    """Say in the OpenAPI document that a key may be left out, while the server has none."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        document = describe()
        with suppress(OutageError):
            if not keys.any_key():
                return _without_keys(document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation has it


def _without_keys(document: Mapping[str, Any]) -> dict[str, Any]:
    return {**document, "paths": {path: _without_key(item) for path, item in document["paths"].items()}}


def _without_key(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        method: {**operation, "security": [{}, *operation["security"]]}
        if "security" in operation
        else operation
        for method, operation in item.items()
    }
