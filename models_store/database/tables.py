"""Database tables. Alembic migrations are generated from these classes and checked against them."""

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
    """An API key and its permissions. The secret is shown once and never stored, only its digest."""

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
    """Restriction of an API key to microscopes; a key without such rows sees all of them."""

    __tablename__ = "api_key_microscope"

    api_key_id: Mapped[str] = mapped_column(ForeignKey("api_key.id"), primary_key=True)
    microscope_id: Mapped[str] = mapped_column(ForeignKey("microscope.id"), primary_key=True)


class Microscope(Listed):
    __tablename__ = "microscope"

    name: Mapped[str] = mapped_column(String(200), unique=True)
    description: Mapped[str] = mapped_column(String(2000))


class Profile(Listed):
    """An acquisition profile: all settings that determine the noise of a microscope's images."""

    __tablename__ = "profile"
    __table_args__ = (
        UniqueConstraint("microscope_id", "name"),
        Index(None, "microscope_id", "fingerprint"),
    )

    microscope_id: Mapped[str] = mapped_column(ForeignKey("microscope.id"))
    name: Mapped[str] = mapped_column(String(200))
    camera: Mapped[str | None] = mapped_column(String(200))
    readout_mode: Mapped[str | None] = mapped_column(String(200))
    gain: Mapped[float | None]
    binning: Mapped[int | None]
    exposure_ms: Mapped[float | None]
    bit_depth: Mapped[int | None]
    offset_adu: Mapped[float | None]
    camera_serial: Mapped[str | None] = mapped_column(String(200))
    gain_name: Mapped[str | None] = mapped_column(String(200))
    em_gain: Mapped[float | None]
    file_settings: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Settings by channel of the file for which the profile was made; None: made by a request."""
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    """Of the settings, however they are spelled; None: it tells nothing of the detector."""

    microscope: Mapped[Microscope] = relationship(lazy="joined")


class Image(Listed):
    """An uploaded image, or one of several (`parent_id`) in an uploaded file, whose blob they share."""

    __tablename__ = "image"
    __table_args__ = (
        Index(
            "ix_image_uploads",
            "created_at",
            "id",
            postgresql_where=text("parent_id IS NULL"),
            sqlite_where=text("parent_id IS NULL"),
        ),
        Index(None, "parent_id", "series"),
    )

    filename: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    preview_key: Mapped[str] = mapped_column(String(255), index=True)
    header: Mapped[dict[str, Any]]
    role: Mapped[ImageRole]
    survey: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """None: uploaded before surveys existed, or the survey timed out."""
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("image.id"))
    """The upload whose file also holds this image; None: an upload."""
    series: Mapped[int | None]
    """Number of the image in the file of its upload."""
    profile_id: Mapped[str | None] = mapped_column(ForeignKey("profile.id"), index=True)
    profile_choice: Mapped[str | None] = mapped_column(String(20))
    """ProfileChoice; None: no microscope, or uploaded before files chose profiles."""
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), index=True)

    profile: Mapped[Profile | None] = relationship(lazy="joined")


class NoiseModelRow(Listed):
    """An immutable noise model. Versions count from 1 per profile; one without a profile is anonymous."""

    __tablename__ = "noise_model"
    __table_args__ = (UniqueConstraint("profile_id", "version"), Index(None, "created_at", "id"))

    profile_id: Mapped[str | None] = mapped_column(ForeignKey("profile.id"))
    channel: Mapped[str | None] = mapped_column(Text)
    """Channel that it is for: its name, or else its index; None: images with one channel, or all."""
    version: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    origin: Mapped[NoiseModelOrigin]
    parameters: Mapped[dict[str, Any]]
    probabilities: Mapped[str | None] = mapped_column(Text, deferred=True)
    """Packed probabilities of a histogram. Deferred: megabytes that lists and plans do not need."""
    signal_min_adu: Mapped[float]
    signal_max_adu: Mapped[float]
    fit_quality: Mapped[dict[str, Any]]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """Stored size of the parameters."""
    job_id: Mapped[str | None] = mapped_column(ID, index=True)
    """Job that made the noise model; it may have been deleted."""
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), index=True)

    profile: Mapped[Profile | None] = relationship(lazy="joined")


class NoiseModelActivation(Base):
    """Append-only history of activations; the latest one up to a time determines the active noise model."""

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
    channel: Mapped[str | None] = mapped_column(Text)
    """Channel that it was trained on: its name, or else its index; None: all planes."""
    method: Mapped[Method]
    preset: Mapped[Preset]
    recipe: Mapped[str] = mapped_column(String(100))
    noise_model_id: Mapped[str | None] = mapped_column(ForeignKey("noise_model.id"), index=True)
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    description: Mapped[dict[str, Any]]
    job_id: Mapped[str | None] = mapped_column(ID, index=True)
    """Job that made the network; it may have been deleted."""
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"), index=True)

    profile: Mapped[Profile | None] = relationship(lazy="joined")


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


class JobEvent(Base):
    """An event in the life of a job; append-only."""

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
    """Image that the artifact is a result of; it may have been deleted."""
    output: Mapped[Output | None]
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)


class PartPlanes(Base):
    """Planes of one image computed by a part of a prediction; kept until they are assembled."""

    __tablename__ = "part_planes"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id"), primary_key=True)
    image_id: Mapped[str] = mapped_column(ID, primary_key=True)
    output: Mapped[Output] = mapped_column(primary_key=True)
    blob_key: Mapped[str] = mapped_column(String(255), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)


class IdempotencyKey(Base):
    """An answered POST: repeating it with the same key and body returns the same resource."""

    __tablename__ = "idempotency_key"

    scope: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    body_sha256: Mapped[str] = mapped_column(String(64))
    resource_id: Mapped[str] = mapped_column(ID)
    created_at: Mapped[datetime] = mapped_column(index=True)


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


class Retention(Base):
    """Totals of what the sweeper has deleted after the retention period."""

    __tablename__ = "retention"

    what: Mapped[str] = mapped_column(String(32), primary_key=True)
    """Kind: jobs, networks or job_events."""
    deleted: Mapped[int] = mapped_column(BigInteger)
    deleted_bytes: Mapped[int] = mapped_column(BigInteger)


class Sweep(Base):
    """Time of the last sweep; after a gap, leases are extended before they may expire."""

    __tablename__ = "sweep"

    number: Mapped[int] = mapped_column(primary_key=True)
    swept_at: Mapped[datetime]
