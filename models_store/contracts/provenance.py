"""Provenance of a result: from what, by what and with which settings it was made."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from models_store.contracts.vocabulary import Method, NoiseModelOrigin, Preset


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class UsedObjective(_Document):
    """The objective that recorded the input; None for what its file does not tell."""

    model: str | None
    magnification: float | None
    numerical_aperture: float | None
    immersion: str | None
    refractive_index: float | None


class InputFile(_Document):
    image_id: str
    filename: str
    sha256: str
    series: int | None = None
    objective: UsedObjective | None = None


class UsedNetwork(_Document):
    """A network that competed for the result; `role`: the field of the prediction that names it."""

    role: str
    id: str
    sha256: str
    method: Method
    recipe: str | None = None
    """Preset, its digest and overrides; None: it was not trained by a job here."""


class UsedNoiseModel(_Document):
    id: str | None
    """None: the job that wrote the result made it."""
    sha256: str
    """Digest of its parameters as canonical JSON."""
    origin: NoiseModelOrigin


class ChannelProvenance(_Document):
    """What denoised a channel, or a whole image (None): the chosen estimate, and all that competed."""

    channel: int | None
    name: str | None
    estimate: str
    reason: str
    networks: tuple[UsedNetwork, ...]
    noise_model: UsedNoiseModel | None
    precision: tuple[str, ...] = ()
    """Number types of the convolutions: several if parts ran on different machines, none if not known."""


class Provenance(_Document):
    """Provenance of the result files of one image.

    `verdict`: what was removed from the job's planes, compared with the noise; None: not known yet.
    """

    schema_version: Literal[1] = 1
    job_id: str
    kind: str
    preset: Preset | None
    seed: int
    settings: dict[str, Any]
    """The posted job, without its images."""
    input: InputFile
    channels: tuple[ChannelProvenance, ...]
    versions: dict[str, str]
    started_at: datetime
    ended_at: datetime | None = None
    warnings: tuple[str, ...] = ()
    verdict: dict[str, Any] | None = None

    @property
    def methods(self) -> str:
        """The chosen estimates, without repetition, for people."""
        return ", ".join(dict.fromkeys(channel.estimate for channel in self.channels)) or "copied"
