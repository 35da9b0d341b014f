"""The OpenAPI document as pages: one for each kind of resource, and one for the documents they exchange."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from docs_site.api_types import anchor_of, in_cell, type_of
from docs_site.navigation import contents

Json = Mapping[str, Any]

INTRODUCTION = """# HTTP API

Written from the OpenAPI document of this version, [openapi.json](openapi.json). A server has it at
`/openapi.json`, and at `/docs` pages to try requests. Requests carry `Authorization: Bearer cs_...` once the
server has API keys; each operation names the scope that the key needs. Whatever is refused is answered with a
problem document (RFC 9457): `type` is a stable code, `detail` says what is wrong and what would be right.

"""
DOCUMENTS_PAGE = "documents"
DOCUMENTS = """# Documents of the API

The JSON that requests and answers hold. Conditions between fields are in [openapi.json](openapi.json).

"""


def api_pages(document: Json) -> dict[str, str]:
    """Return the pages by name, below `api/`; `index` lists all operations."""
    groups: dict[str, list[tuple[str, str, Json]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    pages = {_page_name(tag): _group(tag, operations) for tag, operations in groups.items()}
    pages[DOCUMENTS_PAGE] = DOCUMENTS + "\n".join(
        _schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())
    )
    lists = [
        f"## {tag.capitalize()}\n\n" + "\n".join(_listed(*operation) for operation in operations)
        for tag, operations in groups.items()
    ]
    pages["index"] = INTRODUCTION + "\n\n".join(lists) + "\n\n" + contents(tuple(pages))
    return pages


def _page_name(tag: str) -> str:
    return tag.replace(" ", "-")


def _operation_anchor(method: str, path: str) -> str:
    return "-".join(["route", method.lower(), *re.findall(r"[a-z0-9]+", path)])


def _listed(method: str, path: str, operation: Json) -> str:
    return f"- [`{method} {path}`](#{_operation_anchor(method, path)}): {operation['summary'].lower()}"


def _group(tag: str, operations: Iterable[tuple[str, str, Json]]) -> str:
    return f"# {tag.capitalize()}\n\n" + "\n".join("\n".join(_operation(*each)) for each in operations)


def _operation(method: str, path: str, operation: Json) -> Iterator[str]:
    yield f"({_operation_anchor(method, path)})=\n\n## `{method} {path}`\n"
    yield operation.get("description", f"{operation['summary']}.") + "\n"
    if scopes := _scopes(operation):
        yield f"Scope: {', '.join(f'`{scope}`' for scope in scopes)}.\n"
    if parameters := operation.get("parameters"):
        yield "| parameter | in | type | |\n|---|---|---|---|"
        for each in parameters:
            required = "" if each.get("required") else "optional; "
            about = f"{required}{in_cell(each.get('description', ''))}".removesuffix("; ")
            yield f"| `{each['name']}` | {each['in']} | {type_of(each['schema'])} | {about} |"
        yield ""
    if body := operation.get("requestBody"):
        yield from _contents("Body", body["content"])
    for status, answer in operation["responses"].items():
        if status != "4XX":
            yield from _contents(f"Answer {status}", answer.get("content", {}))


def _scopes(operation: Json) -> list[str]:
    return [scope for needed in operation.get("security", ()) for names in needed.values() for scope in names]


def _contents(title: str, media: Json) -> Iterator[str]:
    if not media:
        yield f"{title}: without content.\n"
    for kind, content in media.items():
        schema = content.get("schema", {})
        described = type_of(schema) if schema else "bytes"
        yield f"{title}, `{kind}`: {described}.\n"
        for example in content.get("examples", {}).values():
            yield f"{example['summary']}:\n\n```json\n{json.dumps(example['value'], indent=2)}\n```\n"


def _schema(name: str, schema: Json) -> str:
    parts = [f"({anchor_of(name)})=\n\n## {name}\n"]
    if about := schema.get("description"):
        parts.append(f"{about}\n")
    if fields := schema.get("properties"):
        required = schema.get("required", ())
        parts.append("| field | type | |\n|---|---|---|")
        for field, described in fields.items():
            about = in_cell(described.get("description", ""))
            if "default" in described:
                about = f"{about} Default: `{in_cell(json.dumps(described['default']))}`.".strip()
            mark = "" if field in required or "default" in described else "optional; "
            parts.append(f"| `{field}` | {type_of(described)} | {f'{mark}{about}'.removesuffix('; ')} |")
        parts.append("")
    else:
        parts.append(f"{type_of(schema).capitalize()}.\n")
    return "\n".join(parts)
