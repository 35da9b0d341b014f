"""Translation of database failures into domain errors, most of which a retry may resolve."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from models_store.errors import InvalidRequestError, OutageError, StorageFullError, UnavailableError
from models_store.full_disk import FULL_DETAIL

# PostgreSQL's disk_full.
FULL_DATABASE = "53100"
DATABASE_DETAIL = "the database does not answer; send the request again later"
VALUE_DETAIL = "the database cannot store a value: text must not contain NUL, and numbers must be in range"
# SQLite errors caused by its environment; all others are bugs.
SQLITE_OUTAGES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


@contextmanager
def database_outages() -> Iterator[None]:
    """Raise OutageError if the database fails, InvalidRequestError if it cannot store a value.

    Errors of statements pass through.
    """
    try:
        yield
    except DataError as error:
        raise InvalidRequestError(VALUE_DETAIL) from error
    except (DBAPIError, PoolTimeoutError) as error:
        outage = _database_outage(error)
        if outage is None:
            raise
        raise outage from error


def _database_outage(error: DBAPIError | PoolTimeoutError) -> OutageError | None:
    if isinstance(error, PoolTimeoutError):
        return UnavailableError(DATABASE_DETAIL)
    if isinstance(error.orig, sqlite3.Error):
        # The lowest byte is the primary result code.
        code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return StorageFullError(FULL_DETAIL)
        return UnavailableError(DATABASE_DETAIL) if code in SQLITE_OUTAGES else None
    if getattr(error.orig, "sqlstate", None) == FULL_DATABASE:
        return StorageFullError(FULL_DETAIL)
    failed = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    return UnavailableError(DATABASE_DETAIL) if failed else None
