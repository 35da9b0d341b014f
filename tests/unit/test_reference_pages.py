"""The references of the documentation have every route, command and setting."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from app.commands.main import cli
from docs_site.api_document import openapi_document
from docs_site.api_reference import api_pages
from docs_site.api_types import anchor_of, type_of
from docs_site.command_reference import commands_page
from docs_site.readme_parts import formats_page, presets_page
from docs_site.settings_reference import settings_page
from docs_site.sources import section
from models_store.contracts.vocabulary import Preset
from models_store.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi_document()


def test_every_route_is_described_and_listed(document: dict[str, Any]) -> None:
    pages = api_pages(document)
    index = pages.pop("index")
    described = "\n".join(pages.values())
    routes = [(method.upper(), path) for path, item in document["paths"].items() for method in item]
    assert len(routes) > 50
    for method, path in routes:
        assert described.count(f"\n## `{method} {path}`\n") == 1, (method, path)
        assert index.count(f"[`{method} {path}`](#") == 1, (method, path)
    targets = re.findall(r"^\((\S+)\)=$", described, re.MULTILINE)
    assert len(targets) == len(set(targets))
    assert set(re.findall(r"\]\(#([^)]+)\)", described + index)) <= set(targets)


def test_every_field_and_parameter_has_a_row(document: dict[str, Any]) -> None:
    pages = api_pages(document)
    for name, schema in document["components"]["schemas"].items():
        described = pages["documents"].partition(f"({anchor_of(name)})=")[2].partition("\n(")[0]
        for field in schema.get("properties", ()):
            assert f"\n| `{field}` | " in described, (name, field)
    assert "| `microscope` | query | " in pages["images"]
    assert "Scope: `submit`." in pages["jobs"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/components/schemas/JobDocument"}, "[JobDocument](#document-jobdocument)"),
        ({"anyOf": [{"type": "integer", "minimum": 0.0}, {"type": "null"}]}, "integer, from 0 or null"),
        ({"type": "array", "items": {"type": "number"}, "maxItems": 3}, "list of number, to 3 entries"),
        ({"enum": ["a", "b"]}, "`a` or `b`"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "object of text"),
        ({}, "any value"),
    ],
)
def test_types_in_words(schema: dict[str, Any], words: str) -> None:
    assert type_of(schema) == words


def test_every_command_and_option_is_described() -> None:
    page = commands_page()
    commands = get_command(cli).commands  # type: ignore[attr-defined]  # those of a group
    assert {"serve", "submit", "watch"} <= set(commands)
    for name, command in commands.items():
        described = page.partition(f"## clearscope {name}\n")[2].partition("\n## ")[0]
        assert described, name
        for parameter in command.params:
            options = [option for option in parameter.opts if option.startswith("--") and option != "--help"]
            assert all(f"`{option}`" in described for option in options), (name, options)


def test_every_setting_is_described() -> None:
    page = settings_page((ROOT / ".env.example").read_text("utf-8"))
    for name in Settings.model_fields:
        assert f"- `CLEARSCOPE_{name.upper()}`: " in page, name


def test_presets_and_formats_come_from_readme() -> None:
    presets, formats = presets_page(README), formats_page(README)
    assert all(f"`{preset.value}" in presets for preset in Preset)
    assert "| Nikon ND2 (`.nd2`) |" in formats
    assert "](#" not in formats
    with pytest.raises(LookupError, match="no section 'Nothing'"):
        section(README, "Nothing")
