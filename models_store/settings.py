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
from models_store.setting_types import (
    CommaSeparated,
    Days,
    FinitePositive,
    IpNetworks,
    LimitsByCamera,
    Origins,
    ViewerUrl,
    WebhookSecret,
)

MEBIBYTE = 1024**2
GIBIBYTE = 1024**3

RENEWALS_PER_LEASE = 3
"""With fewer, a worker that is merely late would lose its job."""


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Settings(BaseSettings):
    """Settings of all processes; the defaults suit a single machine."""

    model_config = SettingsConfigDict(
        env_prefix="CLEARSCOPE_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    data_dir: Path = Field(default_factory=lambda: user_data_path("clearscope"))
    database_url: str = ""
    """SQLAlchemy URL; empty: an SQLite file in data_dir."""
    blob_url: str = ""
    """obstore URL (file:///..., s3://...); empty: a folder in data_dir."""

    # Database and blobs
    database_pool_size: PositiveInt = 10
    """Size of a process's PostgreSQL connection pool; under load it opens as many connections again."""
    database_timeout_s: PositiveFloat = 5.0
    """Timeout of PostgreSQL connections and locks; a statement may take twice as long."""
    blob_timeout_s: PositiveFloat = 10.0
    """Time without an answer from the blob store after which a request fails or is retried."""
    blob_retries: NonNegativeInt = 4
    blob_retry_s: PositiveFloat = 20.0
    """Time after which a request to the blob store is no longer retried."""
    orphan_after_s: PositiveFloat = 86400.0
    """Age at which a blob that no row refers to is deleted; must exceed the duration of any upload."""
    orphan_interval_s: PositiveFloat = 3600.0
    """Interval of housekeeping: retention, expired Idempotency-Keys, orphaned blobs."""
    checkpoints_kept_s: PositiveFloat = 7 * 86400.0
    """Time for which the checkpoints of failed and cancelled jobs are kept for a retry."""
    idempotency_kept_s: PositiveFloat = 7 * 86400.0
    """Time for which an Idempotency-Key is remembered."""
    results_kept_days: Days | None = None
    """Retention of ended jobs and their results. In the next three settings too, unset means for ever."""
    unused_networks_kept_days: Days | None = None
    """Retention of networks that no job uses any more."""
    pixel_pairs_kept_days: Days | None = None
    """Retention of the pixel pairs that noise models were fitted to."""
    job_events_kept_days: Days | None = None
    """Retention of the events of ended jobs."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    server_processes: PositiveInt = 1
    """Number of server processes that share the port; more than one requires a broker."""
    upload_limit_bytes: PositiveInt = 16 * GIBIBYTE
    decoded_limit_bytes: PositiveInt = 64 * GIBIBYTE
    """Maximum decoded size of an uploaded file."""
    inspection_timeout_s: PositiveFloat = 4.0
    """Processor time for each look at an uploaded file; by the clock, it may take 15 times this."""
    upload_expiry_s: PositiveFloat = 86400.0
    """Time after its last bytes at which a resumable upload expires."""
    viewed_planes_bytes: PositiveInt = 512 * MEBIBYTE
    """Planes that each server process keeps in memory for the viewer; decoding one may take 4 times this."""
    large_planes_bytes: PositiveInt = 8 * GIBIBYTE
    """Larger planes, which it keeps or reads in files without a name in the temporary folder (TMPDIR)."""

    neuroglancer_url: ViewerUrl = ""
    """Address of neuroglancer (https://neuroglancer.example.org/); empty: the portal has no links to it."""
    vizarr_url: ViewerUrl = ""
    """The same of vizarr. Pages of both origins may read what signed links lead to."""
    link_valid_s: Annotated[float, Field(gt=0, le=31_536_000)] = 28_800.0
    """Time for which a signed link to an image or result is valid."""

    # Separate workers
    broker_url: str = ""
    """Redis that notifies workers (redis://host:6379/0); empty: the server runs an embedded worker."""
    visibility_timeout_s: PositiveInt = 3600
    """Time after which Redis redelivers an unacknowledged notice; jobs may take longer."""
    sweep_interval_s: PositiveFloat = 5.0
    """Interval of the sweeper's search for expired leases and lost notices."""
    renotify_s: PositiveFloat = 60.0
    """Age at which a notice that no worker acted on counts as lost."""
    sign_of_life_s: PositiveFloat = 10.0
    """Interval of a worker's signs of life; after three missed ones it counts as gone."""
    device_check_s: PositiveFloat = 300.0
    """Interval of an idle worker's GPU checks; after a failed check it takes no jobs."""
    grace_s: PositiveFloat = 10.0
    """Time that a stopping worker has for handing back its job."""
    job_time_limit_s: PositiveFloat = 86400.0
    """Time limit of one attempt at a job or stage."""

    # Fan-out
    part_pixels: PositiveInt = 2**24
    """Pixels of a prediction that one worker processes at a time; a larger prediction is split into parts."""

    device: str = "auto"
    """Compute device: auto (the visible GPU with the most free memory, else the CPU), cpu, cuda, cuda:1."""
    lease_s: PositiveFloat = 15.0
    """Time after its last renewal at which a worker's lease on a job expires."""
    heartbeat_s: PositiveFloat = 0.5
    """Interval at which a worker renews its lease and checks for cancellation."""
    max_crashes: PositiveInt = 3
    """Number of crashes without progress after which a job fails."""

    # Drift of cameras: deviations from the noise model's calibration that are none, added in squares
    drift_standard_errors: FinitePositive = 3.0
    """Standard errors of a figure and its reference together."""
    drift_offset_adu: FinitePositive = 1.0
    drift_gain_percent: FinitePositive = 2.0
    drift_read_noise_percent: FinitePositive = 5.0
    drift_linearity_percent: FinitePositive = 1.0
    drift_correlation: FinitePositive = 0.03
    """Change of the correlation of neighbouring pixels' noise."""
    drift_hot_pixels_percent: FinitePositive = 25.0
    """Change of the share of hot pixels, relative to that share."""
    drift_limits_of_cameras: LimitsByCamera = {}
    """Limits of single cameras by serial number or model: {"A1234": {"gain_percent": 4, "offset_adu": 2}}."""
    drift_webhook_url: str = ""
    """Receiver of an event whenever a check marks a noise model as drifted; needs webhook_secret."""

    # Observability: logs, metrics, traces
    log_format: LogFormat = LogFormat.TEXT
    """text: for people; json: for machines, one object per line."""
    log_level: LogLevel = LogLevel.INFO
    metrics_host: str = "127.0.0.1"
    """Address of a worker's metrics endpoint; the server serves its own at /metrics."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port of a worker's metrics endpoint; 0: none."""
    otlp_endpoint: str = ""
    """Trace collector (OTLP over HTTP, http://host:4318); empty: OTEL_EXPORTER_OTLP_ENDPOINT, or none."""

    # Security: access to the server, quotas of API keys, outbound requests
    allowed_hosts: CommaSeparated = ()
    """Accepted values of the Host header; empty: loopback names, or any if the server listens beyond them."""
    cors_origins: Origins = ()
    """Origins of pages that may call the API from a browser (https://portal.example.org)."""
    hsts_max_age_s: NonNegativeInt = 0
    """Max-age of the HSTS header, for a server behind HTTPS; 0: no such header."""
    body_limit_bytes: PositiveInt = MEBIBYTE
    """Maximum size of a request body that is not a file upload."""
    requests_per_minute: PositiveInt = 1200
    """Default rate limit per API key; like the next two, a key can override it."""
    stored_bytes_limit: PositiveInt = 1024 * GIBIBYTE
    active_jobs_limit: PositiveInt = 1000
    webhook_secret: WebhookSecret = SecretStr("")
    """Key that signs webhooks, base64 of at least 24 random bytes; empty: webhooks are disabled."""
    webhook_allowed_networks: IpNetworks = ()
    """Private networks that webhooks may reach (10.1.0.0/16)."""
    webhook_retry_s: PositiveFloat = 5.0
    """Delay before the first retry of a failed delivery; each further delay is four times as long."""

    @classmethod
    def load(cls, **options: Any) -> Self:  # noqa: ANN401  # pydantic checks them
        """Read the environment; options that are not None take precedence. Raises InvalidRequestError."""
        try:
            return cls(**{name: value for name, value in options.items() if value is not None})
        except ValidationError as error:
            raise InvalidRequestError("; ".join(map(_message, error.errors()))) from error

    @model_validator(mode="after")
    def _require_time_to_renew(self) -> Self:
        for name in ("heartbeat_s", "sweep_interval_s"):
            if RENEWALS_PER_LEASE * getattr(self, name) > self.lease_s:
                raise ValueError(
                    f"CLEARSCOPE_{name.upper()} may be at most a third of CLEARSCOPE_LEASE_S "
                    f"({self.lease_s:g} s)"
                )
        return self

    @model_validator(mode="after")
    def _require_known_limits(self) -> Self:
        known = {"standard_errors", "correlation"} | {
            name.removeprefix("drift_")
            for name in type(self).model_fields
            if name.startswith("drift_") and name.endswith(("_adu", "_percent"))
        }
        for camera, limits in self.drift_limits_of_cameras.items():
            if unknown := sorted(limits.keys() - known):
                raise ValueError(
                    f"CLEARSCOPE_DRIFT_LIMITS_OF_CAMERAS: {camera!r} has no limit {unknown[0]!r}, only "
                    f"{', '.join(sorted(known))}"
                )
        return self

    @property
    def listens_on_loopback(self) -> bool:
        """True if only this machine can reach the server."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def worker_silence(self) -> timedelta:
        """Time without a sign of life after which a worker counts as gone."""
        return timedelta(seconds=3 * self.sign_of_life_s)

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'clearscope.db'}"

    @property
    def resolved_blob_url(self) -> str:
        return self.blob_url or (self.data_dir.absolute() / "blobs").as_uri()


def _message(error: ErrorDetails) -> str:
    # Errors of model validators name their settings themselves. The value is left out: it may be a secret.
    message = error["msg"].removeprefix("Value error, ")
    return ": ".join([*(f"CLEARSCOPE_{name}".upper() for name in error["loc"][:1]), message])
