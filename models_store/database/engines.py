"""Database engines and transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Self

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from models_store.database.outages import database_outages
from models_store.database.visibility import Viewer, ViewerSession
from models_store.settings import Settings

SQLITE_BUSY_TIMEOUT_S = 30


class Database:
    """A SQL database, reached by short transactions: `with database.write() as session:`.

    Raises an OutageError when the database cannot be reached, does not answer in time, or is full.
    """

    def __init__(self, url: str, *, pool_size: int = 10, timeout_s: float | None = 5.0) -> None:
        """Connect lazily; no statement is sent before the first transaction.

        `timeout_s`: timeout of connections and locks; statements may take twice as long. None: no timeout.
        """
        self.url = url
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            self.engine = _sqlite_engine(address)
        elif timeout_s is None:
            self.engine = create_engine(url)
        else:
            # Processes on SQLite start faster without PostgreSQL's driver.
            from models_store.database.postgresql import postgresql_engine  # noqa: PLC0415

            self.engine = postgresql_engine(address, pool_size, timeout_s)
        self._streaming_engine = self.engine.execution_options(read_only=True)
        self._reading_engine = self._streaming_engine
        if address.get_backend_name() != "sqlite":
            # At READ COMMITTED a transaction sees no more than its single statements do; BEGIN and COMMIT
            # would cost two more round trips.
            self._reading_engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._viewer: Viewer | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the configured database."""
        return cls(
            settings.resolved_database_url,
            pool_size=settings.database_pool_size,
            timeout_s=settings.database_timeout_s,
        )

    def seen_by(self, viewer: Viewer) -> Self:
        """Return the same database, restricted to what a viewer may see."""
        restricted = copy(self)
        restricted._viewer = viewer  # noqa: SLF001  # an instance of the same class
        return restricted

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session for reading; changes are discarded."""
        with database_outages(), self._session(self._reading_engine) as session:
            yield session

    @contextmanager
    def stream(self) -> Iterator[Session]:
        """Yield a session with a transaction, which a server-side cursor requires, to stream many rows."""
        with database_outages(), self._session(self._streaming_engine) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session that is committed at the end of the block, or rolled back on an error."""
        with database_outages(), self._session(self.engine) as session, session.begin():
            yield session

    def _session(self, engine: Engine) -> Session:
        if self._viewer is None:
            return Session(engine, expire_on_commit=False)
        return ViewerSession(engine, self._viewer)

    def ping(self) -> None:
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def dispose(self) -> None:
        self.engine.dispose()


def _sqlite_engine(url: URL) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_S, "isolation_level": None})

    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # Acknowledged commits must survive a power failure; NORMAL could lose the last ones.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that upgrades from reading to writing fails at once, ignoring the busy timeout, if
        # another one wrote in between. So a writer takes the lock at the start.
        read_only = connection.get_execution_options().get("read_only", False)
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
