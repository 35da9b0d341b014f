"""Connections to PostgreSQL that never wait for ever."""

import math
import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Dialect, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

Answer = TypeVar("Answer")

# libpq takes less for this.
MIN_CONNECT_S = 2
LOOK_FOR_INTERRUPTS_S = 0.1
ASK_AFTER_S = 1.0


class TimedConnection(psycopg.Connection):
    """Gives up a server that takes a statement and answers nothing; libpq itself would wait for ever."""

    answer_s: float | None = None

    def wait(
        self, gen: PQGen[Answer], interval: float = LOOK_FOR_INTERRUPTS_S, timeout: float | None = None
    ) -> Answer:
        try:
            return super().wait(gen, interval, timeout or self.answer_s)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # Its answer may still come, and would be taken for that of the next statement.
                self.pgconn.finish()
            raise


def postgresql_engine(url: URL, pool_size: int, timeout_s: float) -> Engine:
    """Make an engine that waits `timeout_s` for a connection or a lock, and twice that for an answer.

    The server itself ends what takes longer, so that what nobody waits for holds no locks.
    """
    limits_ms = {
        "lock_timeout": timeout_s * 1000,
        "statement_timeout": 2 * timeout_s * 1000,
        "idle_in_transaction_session_timeout": 12 * timeout_s * 1000,
    }
    engine = create_engine(
        url,
        connect_args={
            "connect_timeout": max(MIN_CONNECT_S, math.ceil(timeout_s)),
            "options": " ".join(f"-c {name}={limit:.0f}" for name, limit in limits_ms.items()),
        },
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=timeout_s,
    )

    # Asked each time (pool_pre_ping), the server would spend more on being asked than on answering.
    @event.listens_for(engine, "checkin")
    def note(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info["idle_since_s"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask_after_a_pause(
        connection: DBAPIConnection, entry: ConnectionPoolEntry, _: PoolProxiedConnection
    ) -> None:
        idle_s = time.monotonic() - entry.info.get("idle_since_s", time.monotonic())
        if idle_s < ASK_AFTER_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.OperationalError as error:
            raise InvalidatePoolError("the server has gone since this connection was used") from error

    @event.listens_for(engine, "do_connect")
    def connect(
        _: Dialect, __: ConnectionPoolEntry, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> TimedConnection:
        connection = TimedConnection.connect(*arguments, **options)
        # A little more than the server's own limit, whose error says more.
        connection.answer_s = 2.2 * timeout_s
        return connection

    return engine
