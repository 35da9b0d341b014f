"""Every setting, read from the environment (CLEARSCOPE_*) at the composition roots and passed on."""

from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Self

from platformdirs import user_data_path
from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from models_store.errors import InvalidRequestError
from models_store.setting_types import IpNetworks, Origins, WebhookSecret, Words

MEBIBYTE = 1024**2
GIBIBYTE = 1024**3

RENEWALS_PER_LEASE = 3
"""Fewer, and a worker that is only late would lose its job."""


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Settings(BaseSettings):
    """Where ClearScope keeps its data, and its limits. The defaults serve one machine."""

    model_config = SettingsConfigDict(env_prefix="CLEARSCOPE_", frozen=True, extra="ignore")

    data_dir: Path = Field(default_factory=lambda: user_data_path("clearscope"))
    database_url: str = ""
    """SQLAlchemy URL; empty: an SQLite file in data_dir."""
    blob_url: str = ""
    """obstore URL (file:///..., s3://...); empty: a folder in data_dir."""

    # Database and blobs
    database_pool_size: PositiveInt = 10
    """Connections to PostgreSQL that a process keeps; under load it opens as many again."""
    database_timeout_s: PositiveFloat = 5.0
    """How long to wait for a connection or a lock of PostgreSQL; an answer may take twice that."""
    blob_timeout_s: PositiveFloat = 10.0
    """How long a blob store may say nothing before the request is given up, or sent again."""
    blob_retries: NonNegativeInt = 4
    blob_retry_s: PositiveFloat = 20.0
    """After this time a request to the blob store is not sent again."""
    orphan_after_s: PositiveFloat = 86400.0
    """How old a blob must be that no row refers to, before it is deleted; longer than any upload takes."""
    orphan_interval_s: PositiveFloat = 3600.0
    """How often all blobs are looked through for orphans."""
    checkpoints_kept_s: PositiveFloat = 7 * 86400.0
    """How long a failed or cancelled job's checkpoints are kept for a retry."""
    idempotency_kept_s: PositiveFloat = 7 * 86400.0
    """How long an Idempotency-Key is remembered."""
    results_kept_days: PositiveFloat | None = None
    """How long jobs are kept with their results after they have ended; unset, as the next two: for ever."""
    unused_networks_kept_days: PositiveFloat | None = None
    """How long networks are kept that no job uses any more."""
    job_events_kept_days: PositiveFloat | None = None
    """How long the events of jobs are kept that have ended."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    server_processes: PositiveInt = 1
    """How many processes answer on the port; more than one need a broker."""
    upload_limit_bytes: PositiveInt = 16 * GIBIBYTE
    decoded_limit_bytes: PositiveInt = 64 * GIBIBYTE
    """The most that an uploaded file may decode to."""
    inspection_timeout_s: PositiveFloat = 4.0

    # Workers elsewhere
    broker_url: str = ""
    """Redis that wakes workers (redis://host:6379/0); empty: the server has a worker inside."""
    visibility_timeout_s: PositiveInt = 3600
    """After this time Redis delivers a notice again that no worker has done with; jobs may take longer."""
    sweep_interval_s: PositiveFloat = 5.0
    """How often the sweeper looks for lost leases and notices."""
    renotify_s: PositiveFloat = 60.0
    """How long a notice may be under way before it counts as lost."""
    sign_of_life_s: PositiveFloat = 10.0
    """How often a worker says that it is there; after three times that it counts as gone."""
    device_check_s: PositiveFloat = 300.0
    """How often an idle worker checks its GPU; one that fails takes no jobs."""
    grace_s: PositiveFloat = 10.0
    """How long a worker that is stopped may try to hand its job back."""
    job_time_limit_s: PositiveFloat = 86400.0
    """How long one attempt at a job, or at a stage, may compute."""

    # Fan-out
    part_pixels: PositiveInt = 2**24
    """How many pixels of a prediction one worker takes at a time; what is larger is divided into parts."""

    device: str = "auto"
    """Where networks compute: auto (the visible GPU with most free memory, if any), cpu, cuda, cuda:1."""
    lease_s: PositiveFloat = 15.0
    """How long a worker owns a job without a sign of life."""
    heartbeat_s: PositiveFloat = 0.5
    """How often a worker renews its lease and looks for a cancellation."""
    max_crashes: PositiveInt = 3
    """How often a job may take its worker down before it counts as failed."""

    # Observability: logs, metrics, traces
    log_format: LogFormat = LogFormat.TEXT
    """text for people, json for machines: one object per line."""
    log_level: LogLevel = LogLevel.INFO
    metrics_host: str = "127.0.0.1"
    """Where a worker's metrics are served; a server has them at /metrics."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """0: a worker serves none."""
    otlp_endpoint: str = ""
    """Where traces go (OTLP over HTTP, http://host:4318); empty: OTEL_EXPORTER_OTLP_ENDPOINT, or nowhere."""

    # Security: who reaches the server, what a key may use up, whom the server calls
    allowed_hosts: Words = ()
    """Names that requests may call the server by; empty: loopback names, or any if it listens beyond them."""
    cors_origins: Origins = ()
    """Sites whose pages may call the API from a browser (https://portal.example.org)."""
    hsts_max_age_s: NonNegativeInt = 0
    """Above 0: browsers are told to use HTTPS only, for so long. For a server behind HTTPS."""
    body_limit_bytes: PositiveInt = MEBIBYTE
    """The longest body of a request that is no file."""
    requests_per_minute: PositiveInt = 1200
    """Of each API key, as the next two; a key may have limits of its own."""
    stored_bytes_limit: PositiveInt = 1024 * GIBIBYTE
    active_jobs_limit: PositiveInt = 1000
    webhook_secret: WebhookSecret = SecretStr("")
    """Signs webhooks: base64 of at least 24 random bytes; empty: jobs cannot have any."""
    webhook_allowed_networks: IpNetworks = ()
    """Private networks that webhooks may reach nevertheless (10.1.0.0/16)."""
    webhook_retry_s: PositiveFloat = 5.0
    """How long after a failed delivery the next one follows; each further wait is four times as long."""

    @classmethod
    def load(cls, **options: Any) -> Self:  # noqa: ANN401  # pydantic checks them
        """Read the environment, before it a command's options that are given. Raises InvalidRequestError."""
        try:
            return cls(**{name: value for name, value in options.items() if value is not None})
        except ValidationError as error:
            raise InvalidRequestError("; ".join(map(_complaint, error.errors()))) from error

    @model_validator(mode="after")
    def _leave_time_to_renew(self) -> Self:
        for name in ("heartbeat_s", "sweep_interval_s"):
            if RENEWALS_PER_LEASE * getattr(self, name) > self.lease_s:
                raise ValueError(
                    f"CLEARSCOPE_{name.upper()} may be at most a third of CLEARSCOPE_LEASE_S "
                    f"({self.lease_s:g} s)"
                )
        return self

    @property
    def listens_on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def worker_silence(self) -> timedelta:
        """After so long without a sign of life a worker counts as gone."""
        return timedelta(seconds=3 * self.sign_of_life_s)

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'clearscope.db'}"

    @property
    def resolved_blob_url(self) -> str:
        return self.blob_url or (self.data_dir.absolute() / "blobs").as_uri()


def _complaint(error: ErrorDetails) -> str:
    # A broken rule names its settings itself. The value is left out: it may be a secret.
    message = error["msg"].removeprefix("Value error, ")
    return ": ".join([*(f"CLEARSCOPE_{name}".upper() for name in error["loc"][:1]), message])
