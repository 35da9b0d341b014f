"""The tables. Alembic's migrations are generated from these classes and checked against them."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models_store.contracts.vocabulary import (
    ImageRole,
    JobState,
    Method,
    NoiseModelOrigin,
    Output,
    Preset,
    Queue,
)
from models_store.database.table_base import ID, ROW_NUMBER, Base, Listed


class ApiKey(Listed):
    """Who may do what. The secret itself is shown once and kept nowhere."""

    __tablename__ = "api_key"

    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    secret_sha256: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[Any]]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    requests_per_minute: Mapped[int | None]
    stored_bytes_limit: Mapped[int | None] = mapped_column(BigInteger)
    active_jobs_limit: Mapped[int | None]

    microscopes: Mapped[list["Microscope"]] = relationship(secondary="api_key_microscope")


class ApiKeyMicroscope(Base):
    """A key with such rows sees these microscopes only."""

    __tablename__ = "api_key_microscope"

    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_key.id"), primary_key=True)
    microscope_id: Mapped[str] = mapped_column(ForeignKey("microscope.id"), primary_key=True)


class Microscope(Listed):
    __tablename__ = "microscope"

    name: Mapped[str] = mapped_column(String(200), unique=True)
    description: Mapped[str] = mapped_column(String(2000))


class Profile(Listed):
    """An acquisition profile: everything that decides the noise of a microscope's images."""

    __tablename__ = "profile"
    __table_args__ = (UniqueConstraint("microscope_id", "name"),)

    microscope_id: Mapped[str] = mapped_column(ForeignKey("microscope.id"))
    name: Mapped[str] = mapped_column(String(200))
    camera: Mapped[str | None] = mapped_column(String(200))
    readout_mode: Mapped[str | None] = mapped_column(String(200))
    gain: Mapped[float | None]
    binning: Mapped[int | None]
    exposure_ms: Mapped[float | None]
    bit_depth: Mapped[int | None]
    offset_adu: Mapped[float | None]

    microscope: Mapped[Microscope] = relationship(lazy="joined")


class Image(Listed):
    __tablename__ = "image"
    __table_args__ = (Index(None, "created_at", "id"),)

    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    preview_key: Mapped[str] = mapped_column(String(255), index=True)
    header: Mapped[dict[str, Any]]
    role: Mapped[ImageRole]
    survey: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """None: uploaded before there were surveys, or there was no time for one."""
    profile_id: Mapped[str | None] = mapped_column(ForeignKey("profile.id"), index=True)
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), index=True)

    profile: Mapped[Profile | None] = relationship(lazy="joined")


class NoiseModelRow(Listed):
    """Immutable. A profile's versions count from 1; without a profile it is anonymous, known by its id."""

    __tablename__ = "noise_model"
    __table_args__ = (UniqueConstraint("profile_id", "version"), Index(None, "created_at", "id"))

    profile_id: Mapped[str | None] = mapped_column(ForeignKey("profile.id"))
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    origin: Mapped[NoiseModelOrigin]
    parameters: Mapped[dict[str, Any]]
    probabilities: Mapped[str | None] = mapped_column(Text, deferred=True)
    """Of a histogram: megabytes, which lists and plans do not read."""
    signal_min_adu: Mapped[float]
    signal_max_adu: Mapped[float]
    fit_quality: Mapped[dict[str, Any]]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """Of the parameters as they are stored."""
    job_id: Mapped[str | None] = mapped_column(ID, index=True)
    """The job that made it, which may be deleted by now."""
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), index=True)

    profile: Mapped[Profile | None] = relationship(lazy="joined")


class NoiseModelActivation(Base):
    """Append-only: the noise model that is active at a time is the one last activated before it."""

    __tablename__ = "noise_model_activation"
    __table_args__ = (Index(None, "profile_id", "activated_at"),)

    number: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True, autoincrement=True)
    profile_id: Mapped[str] = mapped_column(ForeignKey("profile.id"))
    noise_model_id: Mapped[str] = mapped_column(ForeignKey("noise_model.id"), index=True)
    activated_at: Mapped[datetime]


class Network(Listed):
    __tablename__ = "network"
    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "profile_id", "method", "recipe", "created_at"),
    )

    profile_id: Mapped[str | None] = mapped_column(ForeignKey("profile.id"))
    method: Mapped[Method]
    preset: Mapped[Preset]
    recipe: Mapped[str] = mapped_column(String(100))
    noise_model_id: Mapped[str | None] = mapped_column(ForeignKey("noise_model.id"), index=True)
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    description: Mapped[dict[str, Any]]
    job_id: Mapped[str | None] = mapped_column(ID, index=True)
    """The job that made it, which may be deleted by now."""
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), index=True)

    profile: Mapped[Profile | None] = relationship(lazy="joined")


def _of_stages(name: str) -> Index:
    """Make an index of stages alone: SQLite would take one of all jobs for lists of what has no parent."""
    stages = text("parent_id IS NOT NULL")
    return Index(name, "parent_id", "position", postgresql_where=stages, sqlite_where=stages)


def _listed(name: str, *columns: str) -> Index:
    """Make an index of the jobs that users posted, newest first; many more are stages of these."""
    posted = text("parent_id IS NULL")
    return Index(name, *columns, "created_at", "id", postgresql_where=posted, sqlite_where=posted)


class Job(Listed):
    """A job, or a stage of one (`parent_id`). `attempt` fences what an earlier owner may still write."""

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_ready", "state", "queue", "composite", "created_at", "position"),
        _of_stages("ix_job_stages"),
        _listed("ix_job_listed"),
        _listed("ix_job_listed_by_state", "state"),
        _listed("ix_job_listed_by_kind", "kind"),
        Index(None, "state", "lease_until"),
        Index(None, "owner_id", "state"),
    )

    kind: Mapped[str] = mapped_column(String(32))
    spec: Mapped[dict[str, Any]]
    state: Mapped[JobState]
    queue: Mapped[Queue]
    composite: Mapped[bool]
    """Carried out by its stages; no worker takes the job itself."""
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("job.id"))
    position: Mapped[int]
    stage: Mapped[str] = mapped_column(String(64))
    weight: Mapped[float]
    plan: Mapped[list[Any]]
    profile_id: Mapped[str | None] = mapped_column(ForeignKey("profile.id"))
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"))
    progress: Mapped[float]
    status: Mapped[str] = mapped_column(String(500))
    attempt: Mapped[int]
    crashes: Mapped[int]
    crash_progress: Mapped[float]
    """The furthest that an attempt came before it crashed: beyond it, crashes count anew."""
    notified_at: Mapped[datetime | None]
    """When workers were last told of it."""
    trace: Mapped[dict[str, Any]]
    """The trace context of the request that posted it (W3C headers)."""
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
    """The images that a job reads; an image cannot be deleted while such a job has not ended."""

    __tablename__ = "job_image"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    image_id: Mapped[str] = mapped_column(
        ForeignKey("image.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class JobNetwork(Base):
    """The networks that a job, not a stage, uses or has made: they stay as long as it is stored."""

    __tablename__ = "job_network"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    network_id: Mapped[str] = mapped_column(
        ForeignKey("network.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class JobNoiseModel(Base):
    """The noise models that a job, not a stage, uses or has made: they stay as long as it is stored."""

    __tablename__ = "job_noise_model"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    noise_model_id: Mapped[str] = mapped_column(
        ForeignKey("noise_model.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class Webhook(Base):
    """Whom to tell that a job has ended; kept until told."""

    __tablename__ = "webhook"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime | None] = mapped_column(index=True)
    """None: the job has not ended, or all is said."""
    delivered_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(500))


class JobEvent(Base):
    """What happened to a job; append-only."""

    __tablename__ = "job_event"
    __table_args__ = (Index(None, "job_id", "number"),)

    number: Mapped[int] = mapped_column(ROW_NUMBER, primary_key=True, autoincrement=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any]]


class Artifact(Listed):
    __tablename__ = "artifact"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(100))
    image_id: Mapped[str | None] = mapped_column(ID)
    """The image that it is a result of, which may be deleted by now."""
    output: Mapped[Output | None]
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)


class PartPlanes(Base):
    """Denoised planes of one image, made by a part of a prediction; kept until they are assembled."""

    __tablename__ = "part_planes"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    image_id: Mapped[str] = mapped_column(ID, primary_key=True)
    output: Mapped[Output] = mapped_column(primary_key=True)
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)


class IdempotencyKey(Base):
    """A POST that was answered: the same key with the same body gets the same resource."""

    __tablename__ = "idempotency_key"

    scope: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_sha256: Mapped[str] = mapped_column(String(64))
    resource_id: Mapped[str] = mapped_column(ID)
    created_at: Mapped[datetime] = mapped_column(index=True)


class Worker(Base):
    """Workers that gave a sign of life."""

    __tablename__ = "worker"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(index=True)
    queues: Mapped[list[Any]]
    device: Mapped[str] = mapped_column(String(64))
    device_error: Mapped[str | None] = mapped_column(String(500))
    """What the last check of the device said; None: it computes."""
    gpu_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)


class Retention(Base):
    """What the sweeper has deleted because it was kept long enough."""

    __tablename__ = "retention"

    what: Mapped[str] = mapped_column(String(32), primary_key=True)
    """jobs, networks, or job_events."""
    deleted: Mapped[int] = mapped_column(BigInteger)
    deleted_bytes: Mapped[int] = mapped_column(BigInteger)


class Sweep(Base):
    """When the sweeper last ran: after a gap, leases get time to be renewed before they count as lost."""

    __tablename__ = "sweep"

    number: Mapped[int] = mapped_column(primary_key=True)
    swept_at: Mapped[datetime]
