"""Pages of a list, newest first, with an opaque cursor."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import Session

from models_store.errors import InvalidRequestError
from models_store.tables import Listed

Row = TypeVar("Row", bound=Listed)


@dataclass(frozen=True)
class Page(Generic[Row]):
    rows: list[Row]
    next_cursor: str | None


@dataclass(frozen=True)
class PageRequest:
    limit: int = 50
    cursor: str | None = None


def fetch_page(session: Session, query: Select[Row], table: type[Row], request: PageRequest) -> Page[Row]:
    """Run `query` for the rows after the cursor; one row more tells whether another page follows."""
    if request.cursor is not None:
        query = query.where(tuple_(table.created_at, table.id) < _decode(request.cursor))
    query = query.order_by(table.created_at.desc(), table.id.desc()).limit(request.limit + 1)
    rows = list(session.scalars(query))
    shown = rows[: request.limit]
    return Page(shown, _encode(shown[-1]) if len(rows) > request.limit else None)


def _encode(row: Listed) -> str:
    position = json.dumps([row.created_at.isoformat(), row.id])
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[datetime, str]:
    try:
        created_at, row_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return datetime.fromisoformat(created_at).astimezone(UTC), str(row_id)
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidRequestError("cursor: take it from the Link header of the previous page") from error
