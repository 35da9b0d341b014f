"""The instructions for agents at /skill.md are true of the API, and their commands run."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import tifffile

from models_store import errors
from models_store.contracts.trust import TrustVerdict
from models_store.contracts.vocabulary import JobState, Preset, Scope
from tests.support.loopback_server import KeyedServer


@pytest.fixture(scope="module")
def skill(keyed: KeyedServer) -> str:
    with keyed.application.client() as anybody:
        answer = anybody.get("/skill.md")
    assert answer.headers["content-type"].startswith("text/markdown")
    return answer.text


@pytest.fixture(scope="module")
def document(keyed: KeyedServer) -> dict[str, Any]:
    with keyed.application.client() as anybody:
        found: dict[str, Any] = anybody.get("/openapi.json").json()
    return found


def test_routes_exist(skill: str, document: dict[str, Any]) -> None:
    routes = re.findall(r"^\| `(GET|POST) (/[^`]+)`", skill, re.MULTILINE)
    assert len(routes) >= 10
    for method, path in routes:
        assert method.lower() in document["paths"][path]
    in_commands = re.findall(r"\$CLEARSCOPE_SERVER(/v1/[a-z/]+)", skill)
    assert {path.rstrip("/") for path in in_commands} <= {path for _, path in routes} | {"/v1/jobs"}


def test_fields_exist(skill: str, document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    lists = re.findall(r"^- [^(\n]+\(`(\w+)`\): (.*(?:\n  .*)*)", skill, re.MULTILINE)
    assert len(lists) == 6
    for name, listed in lists:
        fields = re.findall(r"`([a-z_.]+)`", re.sub(r"\([^)]*\)", "", listed))
        assert fields
        for field in fields:
            require_field(schemas, schemas[name], field.split("."))


def require_field(schemas: dict[str, Any], schema: dict[str, Any], path: list[str]) -> None:
    [first, *rest] = path
    found = next(each["properties"][first] for each in shapes(schemas, schema) if first in each["properties"])
    if rest:
        require_field(schemas, found, rest)


def shapes(schemas: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "properties" in schema:
        yield schema
    for each in schema.get("anyOf", ()):
        yield from shapes(schemas, each)


def test_words_are_those_of_the_server(skill: str) -> None:
    (states,) = re.findall(r"`state` \(([^)]+)\)", skill)
    assert re.findall(r"`(\w+)`", states) == [state.value for state in JobState]
    scopes = re.findall(r"^\| `(\w+)` \| [a-z]", skill, re.MULTILINE)
    assert scopes == [scope.value for scope in Scope]
    assert all(f"`{preset.value}`" in skill for preset in Preset)
    assert all(f"`{verdict}`: " in skill for verdict in get_args(TrustVerdict))
    known = {(kind.status, kind.code) for kind in all_errors(errors.ClearScopeError)}
    rows = re.findall(r"^\| ([\d, ]+) \| (`.+`) \|", skill, re.MULTILINE)
    assert len(rows) == 6
    for statuses, codes in rows:
        for code in re.findall(r"`([^`]+)`", codes):
            assert any((int(status), code) in known for status in statuses.split(", ")), (statuses, code)


def all_errors(kind: type[errors.ClearScopeError]) -> Iterator[type[errors.ClearScopeError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from all_errors(each)


def test_commands_run(skill: str, keyed: KeyedServer, noisy_tiff: Path, tmp_path: Path) -> None:
    commands = re.findall(r"^```sh\n(.*?)^```$", skill, re.MULTILINE | re.DOTALL)
    (tmp_path / "cells.tif").write_bytes(noisy_tiff.read_bytes())
    environment = {**os.environ, "CLEARSCOPE_SERVER": keyed.url, "CLEARSCOPE_API_KEY": keyed.key}
    script = ["bash", "-euo", "pipefail", "-c", "".join(commands)]
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert '"state": "succeeded"' in done.stdout
    assert (tmp_path / "preview.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "trust-preview.png").read_bytes().startswith(b"\x89PNG")
    assert tifffile.imread(tmp_path / "cells_denoised.tif").shape == (96, 80)
