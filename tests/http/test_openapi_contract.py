"""The API keeps what it once promised to clients; it may only add.

`openapi_contract.json` is an older OpenAPI document without prose. A deliberate breaking change edits that
file too, and the changelog says so.
"""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.openapi_contract import breaking_changes, without_prose

CONTRACT = json.loads(Path(__file__).with_name("openapi_contract.json").read_text("utf-8"))


def test_the_api_keeps_what_it_promised(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    assert list(breaking_changes(CONTRACT, without_prose(document))) == []


@pytest.mark.parametrize(
    ("path", "value", "change"),
    [
        (("paths", "/v1/jobs", "get"), None, "/paths//v1/jobs/get is gone"),
        (
            ("components", "schemas", "JobState", "enum"),
            ["queued"],
            "/components/schemas/JobState/enum/running is gone",
        ),
        (
            ("components", "schemas", "Parts", "properties", "done", "type"),
            "string",
            "'integer' became 'string'",
        ),
    ],
)
def test_a_breaking_change_is_found(path: tuple[str, ...], value: Any, change: str) -> None:  # any JSON value
    broken = json.loads(json.dumps(CONTRACT))
    node = broken
    for key in path[:-1]:
        node = node[key]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    assert any(change in found for found in breaking_changes(CONTRACT, broken))
