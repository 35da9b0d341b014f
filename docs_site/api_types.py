"""Types of JSON Schema in words, with links to the documents that they name."""

from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

NAMES = {"string": "text", "boolean": "true or false", "object": "object", "null": "null"}
LIMITS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
    "minLength": "from {} characters",
    "maxLength": "to {} characters",
    "minItems": "from {} entries",
    "maxItems": "to {} entries",
}


def anchor_of(name: str) -> str:
    return f"document-{name.lower()}"


def in_cell(text: str) -> str:
    """Return text that may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def type_of(schema: Json) -> str:
    """Return the type in words, for a cell of a table or a sentence."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{anchor_of(name)})"
    for alternatives in ("oneOf", "anyOf", "allOf"):
        if alternatives in schema:
            return " or ".join(dict.fromkeys(type_of(each) for each in schema[alternatives]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    return ", ".join([_bare_type(schema), *_limits(schema)])


def _bare_type(schema: Json) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(_named(each) for each in kind)
    if kind == "array":
        of = schema.get("items") or {}
        entries = [type_of(each) for each in schema.get("prefixItems", ())] or [type_of(of) if of else "any"]
        return f"list of {', '.join(entries)}"
    if kind == "object" and isinstance(values := schema.get("additionalProperties"), Mapping) and values:
        return f"object of {type_of(values)}"
    if kind == "string" and schema.get("format") == "binary":
        return "bytes"
    told = "any value" if kind is None else _named(kind)
    return f"{told} ({schema['format']})" if "format" in schema else told


def _named(kind: str) -> str:
    return NAMES.get(kind, kind)


def _limits(schema: Json) -> Iterator[str]:
    for name, told in LIMITS.items():
        if name in schema:
            limit = schema[name]
            yield told.format(int(limit) if float(limit).is_integer() else limit)
