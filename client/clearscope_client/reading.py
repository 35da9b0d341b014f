"""Documents and pages of documents from answers."""

import re
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import TypeAdapter, ValidationError

from clearscope_client.documents import Document
from clearscope_client.errors import UnexpectedAnswerError
from clearscope_client.retrying import Conduct, answered
from clearscope_client.steps import Answer, Conversation, Request

PAGE = 200
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')

Read = TypeVar("Read", bound=Document)


def path_of(*parts: str) -> str:
    """Return the path of a resource below /v1; names may hold any character."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def document_of(kind: type[Read], answer: Answer) -> Read:
    """Read a document. Raises UnexpectedAnswerError if it is no such document."""
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        raise _unexpected(kind, error) from error


def get(conduct: Conduct, kind: type[Read], path: str) -> Conversation[Read]:
    answer = yield from answered(conduct, Request("GET", path))
    return document_of(kind, answer)


def get_list(
    conduct: Conduct,
    kind: type[Read],
    path: str,
    query: Mapping[str, str | int | None],
    at_most: int | None = None,
) -> Conversation[list[Read]]:
    """Read a list page by page, up to `at_most` documents (None: all)."""
    read = TypeAdapter(list[kind])  # type: ignore[valid-type]  # a class that is chosen at run time
    present = {name: value for name, value in query.items() if value is not None}
    wanted = {**present, "limit": PAGE if at_most is None else max(1, min(PAGE, at_most))}
    found: list[Read] = []
    while True:
        answer = yield from answered(conduct, Request("GET", path, query=wanted))
        try:
            found += read.validate_json(answer.content)
        except ValidationError as error:
            raise _unexpected(kind, error) from error
        cursor = _next_cursor(answer)
        if cursor is None or (at_most is not None and len(found) >= at_most):
            return found[:at_most]
        wanted = {**wanted, "cursor": cursor}


def _next_cursor(answer: Answer) -> str | None:
    """Return the cursor of the next page in the Link header (RFC 8288).

    Only the cursor: behind a proxy, the server does not know the address by which it is reached.
    """
    found = _NEXT.search(answer.headers.get("link", ""))
    return dict(parse_qsl(urlsplit(found[1]).query)).get("cursor") if found else None


def _unexpected(kind: type[Document], error: ValidationError) -> UnexpectedAnswerError:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return UnexpectedAnswerError(
        f"the server's answer is no {kind.__name__} ({f'{place}: ' if place else ''}{first['msg']}); check "
        "its address and version"
    )
