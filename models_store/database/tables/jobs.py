"""Jobs, what they refer to and what happens to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models_store.contracts.vocabulary import JobState, Queue
from models_store.database.table_base import ID, ROW_NUMBER, Base, Listed


def _stage_index(name: str) -> Index:
    """Return a partial index of stages; SQLite would use a full one for lists of posted jobs."""
    stages = text("parent_id IS NOT NULL")
    return Index(name, "parent_id", "position", postgresql_where=stages, sqlite_where=stages)


def _posted_index(name: str, *columns: str) -> Index:
    """Return a partial index of posted jobs by creation time; it omits their far more numerous stages."""
    posted = text("parent_id IS NULL")
    return Index(name, *columns, "created_at", "id", postgresql_where=posted, sqlite_where=posted)


class Job(Listed):
    """A job, or a stage of one (`parent_id`). `attempt` is the fencing token of its owner."""

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_ready", "state", "queue", "composite", "created_at", "position"),
        _stage_index("ix_job_stages"),
        _posted_index("ix_job_listed"),
        _posted_index("ix_job_listed_by_state", "state"),
        _posted_index("ix_job_listed_by_kind", "kind"),
        Index(None, "state", "lease_until"),
        Index(None, "owner_id", "state"),
    )

    kind: Mapped[str] = mapped_column(String(32))
    spec: Mapped[dict[str, Any]]
    state: Mapped[JobState]
    queue: Mapped[Queue]
    composite: Mapped[bool]
    """True if only the job's stages are executed; no worker takes the job itself."""
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("job.id"))
    position: Mapped[int]
    stage: Mapped[str] = mapped_column(String(64))
    channel: Mapped[int | None]
    """Index of the only channel whose planes the job reads; None: it reads all planes."""
    weight: Mapped[float]
    plan: Mapped[list[Any]]
    profile_id: Mapped[str | None] = mapped_column(ForeignKey("profile.id"))
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"))
    progress: Mapped[float]
    status: Mapped[str] = mapped_column(String(500))
    attempt: Mapped[int]
    crashes: Mapped[int]
    crash_progress: Mapped[float]
    """Maximum progress of the crashed attempts; a crash beyond it resets the count."""
    notified_at: Mapped[datetime | None]
    """Time of the last notice to workers."""
    trace: Mapped[dict[str, Any]]
    """Trace context of the request that posted the job (W3C headers)."""
    worker: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[datetime | None]
    result: Mapped[dict[str, Any]]
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    stages: Mapped[list["Job"]] = relationship(order_by="Job.position", viewonly=True)


class JobDependency(Base):
    __tablename__ = "job_dependency"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    depends_on_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True, index=True)


class JobImage(Base):
    """An image that a job reads; it cannot be deleted before the job has ended."""

    __tablename__ = "job_image"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    image_id: Mapped[str] = mapped_column(
        ForeignKey("image.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class JobNetwork(Base):
    """A network that a job (not a stage) uses or has made; it is kept as long as the job."""

    __tablename__ = "job_network"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    network_id: Mapped[str] = mapped_column(
        ForeignKey("network.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class JobNoiseModel(Base):
    """A noise model that a job (not a stage) uses or has made; it is kept as long as the job."""

    __tablename__ = "job_noise_model"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    noise_model_id: Mapped[str] = mapped_column(
        ForeignKey("noise_model.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class JobEvent(Base):
    """An event in the life of a job; append-only."""

    __tablename__ = "job_event"
    # Otherwise SQLite would give the number of a deleted event to the next one.
    __table_args__ = (Index(None, "job_id", "number"), {"sqlite_autoincrement": True})

    number: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any]]


class JobDeletion(Base):
    """A posted job that is gone, for those who watch jobs; append-only, the newest ones are kept."""

    __tablename__ = "job_deletion"
    # Otherwise SQLite would give the number of a forgotten deletion to the next one.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # read only

    number: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ID)
    microscope_id: Mapped[str | None] = mapped_column(ID)


class Webhook(Base):
    """A subscription to the end of a job, with the state of its delivery."""

    __tablename__ = "webhook"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime | None] = mapped_column(index=True)
    """None: the job has not ended, or no further attempt is due."""
    delivered_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(500))
