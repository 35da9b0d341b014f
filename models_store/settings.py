"""Every setting, read from the environment (CLEARSCOPE_*) at the composition roots and passed on."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from platformdirs import user_data_path
from pydantic import Field, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024**2
GIBIBYTE = 1024**3


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

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    upload_limit_bytes: PositiveInt = 16 * GIBIBYTE
    decoded_limit_bytes: PositiveInt = 64 * GIBIBYTE
    """The most that an uploaded file may decode to."""
    inspection_timeout_s: PositiveFloat = 4.0

    device: str = "auto"
    """Where networks compute: auto, cpu, cuda, cuda:1."""
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

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'clearscope.db'}"

    @property
    def resolved_blob_url(self) -> str:
        return self.blob_url or (self.data_dir.absolute() / "blobs").as_uri()
