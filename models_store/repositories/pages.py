"""Keyset pagination, newest first, with an opaque cursor."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from models_store.database.table_base import Base, Listed
from models_store.database.tables import CameraCheckRow, NoiseModelActivation, NoiseModelRow
from models_store.errors import InvalidRequestError

Row = TypeVar("Row", bound=Listed)
Numbered = TypeVar("Numbered", bound=Base)
OfProfile = TypeVar("OfProfile", CameraCheckRow, NoiseModelActivation, NoiseModelRow)
Newest = Sequence[InstrumentedAttribute[Any]]

# Creation time (microseconds since 1970) and id of the last row on the page.
CURSOR_PATTERN = r"^[0-9]{1,16}\.[A-Za-z0-9_]{1,40}$"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NUMBERED = "number"
_FOREIGN_CURSOR = InvalidRequestError("cursor: take it from the Link header of the previous page")


@dataclass(frozen=True)
class Page(Generic[Row]):
    rows: list[Row]
    next_cursor: str | None


@dataclass(frozen=True)
class PageRequest:
    limit: int = 50
    cursor: str | None = None


def fetch_page(session: Session, query: Select[Row], table: type[Row], request: PageRequest) -> Page[Row]:
    """Fetch the rows after the cursor, and one more to see whether another page follows."""
    if request.cursor is not None:
        query = query.where(tuple_(table.created_at, table.id) < _decode(request.cursor))
    query = query.order_by(table.created_at.desc(), table.id.desc()).limit(request.limit + 1)
    rows = list(session.scalars(query))
    shown = rows[: request.limit]
    return Page(shown, _encode(shown[-1]) if len(rows) > request.limit else None)


@dataclass(frozen=True)
class NumberedPage(Generic[Numbered]):
    rows: list[Numbered]
    next_cursor: str | None


def fetch_numbered_page(
    session: Session, query: Select[Numbered], number: InstrumentedAttribute[int], request: PageRequest
) -> NumberedPage[Numbered]:
    """Fetch the rows of a numbered history before the cursor, the highest number first."""
    if request.cursor is not None:
        query = query.where(number < _number(request.cursor))
    rows = list(session.scalars(query.order_by(number.desc()).limit(request.limit + 1)))
    shown = rows[: request.limit]
    further = len(rows) > request.limit
    return NumberedPage(shown, f"{getattr(shown[-1], number.key)}.{_NUMBERED}" if further else None)


def newest_of_profiles(
    session: Session, table: type[OfProfile], newest: Newest, profile_ids: Collection[str], limit: int
) -> dict[str, list[OfProfile]]:
    """Return up to `limit` rows of each profile in one query, the newest first.

    `newest`: the columns that order them, of which the last identifies a row.
    """
    descending = [column.desc() for column in newest]
    place = func.row_number().over(partition_by=table.profile_id, order_by=descending)
    of_profiles = table.profile_id.in_(profile_ids)
    ranked = select(newest[-1].label("identity"), place.label("place")).where(of_profiles).subquery()
    query = (
        select(table)
        .join(ranked, ranked.c.identity == newest[-1])
        .where(ranked.c.place <= limit)
        .order_by(*descending)
    )
    found: dict[str, list[OfProfile]] = {profile_id: [] for profile_id in profile_ids}
    for row in session.scalars(query):
        if row.profile_id is not None:
            found[row.profile_id].append(row)
    return found


def _number(cursor: str) -> int:
    if not re.fullmatch(CURSOR_PATTERN, cursor):
        raise _FOREIGN_CURSOR
    return int(cursor.split(".", maxsplit=1)[0])


def _encode(row: Listed) -> str:
    return f"{(row.created_at - _EPOCH) // _MICROSECOND}.{row.id}"


def _decode(cursor: str) -> tuple[datetime, str]:
    if not re.fullmatch(CURSOR_PATTERN, cursor):
        raise _FOREIGN_CURSOR
    age_us, row_id = cursor.split(".")
    return _EPOCH + int(age_us) * _MICROSECOND, row_id
