"""What a spool holds."""

from typing import Any

from pydantic import BaseModel


class Posting(BaseModel, frozen=True):
    """What is told of an image and asked for: `spec` has fields of a denoise job; None: no job."""

    microscope: str | None = None
    profile: str | None = None
    settings: dict[str, Any] | None = None
    role: str = "data"
    series: int | None = None
    spec: dict[str, Any] | None = None


class Entry(BaseModel, frozen=True):
    """An image in the spool; `key`: Idempotency-Key of its upload and its job."""

    number: int
    key: str
    name: str
    sha256: str
    size_bytes: int
    posting: Posting


class Ticket(BaseModel, frozen=True):
    """Receipt: the image is on disk, and will be sent."""

    number: int
    key: str


class Delivered(BaseModel, frozen=True):
    """An image that the server has; `job_id`: the job that denoises it, if one was asked for."""

    number: int
    key: str
    name: str
    sha256: str
    image_id: str
    job_id: str | None
