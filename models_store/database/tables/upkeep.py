"""Workers, sweeps and what they deleted."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from models_store.database.table_base import Base


class Worker(Base):
    """A worker and its last sign of life."""

    __tablename__ = "worker"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(index=True)
    queues: Mapped[list[Any]]
    device: Mapped[str] = mapped_column(String(64))
    device_error: Mapped[str | None] = mapped_column(String(500))
    """Error of the last device check; None: the device works."""
    gpu_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)


class Sweep(Base):
    """Time of the last sweep; after a gap, leases are extended before they may expire."""

    __tablename__ = "sweep"

    number: Mapped[int] = mapped_column(primary_key=True)
    swept_at: Mapped[datetime]


class Retention(Base):
    """Totals of what the sweeper has deleted after the retention period."""

    __tablename__ = "retention"

    what: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Kind: jobs, networks, pixel_pairs or job_events."""
    deleted: Mapped[int] = mapped_column(BigInteger)
    deleted_bytes: Mapped[int] = mapped_column(BigInteger)
