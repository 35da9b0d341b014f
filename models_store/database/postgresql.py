"""PostgreSQL connections with timeouts on every wait."""

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

# libpq rounds shorter timeouts up to this.
MIN_CONNECT_S = 2
INTERRUPT_POLL_S = 0.1
PING_AFTER_IDLE_S = 1.0


class TimedConnection(psycopg.Connection):
    """A connection with a client-side timeout: libpq waits for ever for a server that stops answering."""

    answer_s: float | None = None

    def wait(
        self, gen: PQGen[Answer], interval: float = INTERRUPT_POLL_S, timeout: float | None = None
    ) -> Answer:
        try:
            return super().wait(gen, interval, timeout or self.answer_s)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # A late answer would be taken for that of the next statement.
                self.pgconn.finish()
            raise


def postgresql_engine(url: URL, pool_size: int, timeout_s: float) -> Engine:
    """Create an engine that waits `timeout_s` for a connection or a lock, and twice that for an answer.

    The server enforces the limits too, so that abandoned statements hold no locks.
    """
    limits_ms = {
        "lock_timeout": timeout_s * 1000,
        "statement_timeout": 2 * timeout_s * 1000,
        "idle_in_transaction_session_timeout": 12 * timeout_s * 1000,
    }
    options = [f"-c {name}={limit:.0f}" for name, limit in limits_ms.items()]
    # The cost of looking up each row's latest change is overestimated, and compiling such a list took 45 ms.
    options.append("-c jit=off")
    engine = create_engine(
        url,
        connect_args={
            "connect_timeout": max(MIN_CONNECT_S, math.ceil(timeout_s)),
            "options": " ".join(options),
        },
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=timeout_s,
    )

    # A ping at every checkout (pool_pre_ping) would cost more than most queries; idle connections get one.
    @event.listens_for(engine, "checkin")
    def record_idle_start(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info["idle_since_s"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ping_if_idle(
        connection: DBAPIConnection, entry: ConnectionPoolEntry, _: PoolProxiedConnection
    ) -> None:
        idle_s = time.monotonic() - entry.info.get("idle_since_s", time.monotonic())
        if idle_s < PING_AFTER_IDLE_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except psycopg.OperationalError as error:
            raise InvalidatePoolError("the server has closed this connection while it was idle") from error

    @event.listens_for(engine, "do_connect")
    def connect(
        _: Dialect, __: ConnectionPoolEntry, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> TimedConnection:
        connection = TimedConnection.connect(*arguments, **options)
        # Slightly above the server's own limit, whose error is more informative.
        connection.answer_s = 2.2 * timeout_s
        return connection

    return engine
