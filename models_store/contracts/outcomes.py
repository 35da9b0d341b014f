"""What a finished job hands in: registered in one transaction, or not at all."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from models_store.contracts.noise_models import NoiseModelParameters
from models_store.contracts.vocabulary import Method, NoiseModelOrigin, Output, Preset
from models_store.survey.survey import Survey


class _Made(BaseModel):
    model_config = ConfigDict(frozen=True)


class MadeBlob(_Made):
    key: str
    sha256: str
    size_bytes: int


class MadeNoiseModel(_Made):
    origin: NoiseModelOrigin
    parameters: NoiseModelParameters
    fit_quality: dict[str, Any]


class MadeNetwork(_Made):
    method: Method
    preset: Preset
    recipe: str
    blob: MadeBlob
    description: dict[str, Any]
    noise_model_id: str | None = None
    """The noise model it was trained with; None: the one that the same job made, if any."""


class MadeArtifact(_Made):
    name: str
    media_type: str
    blob: MadeBlob
    image_id: str | None = None
    """The image that it is a result of; None: of the job as a whole."""
    output: Output | None = None


class MadePlanes(_Made):
    """Consecutive planes (Y, X) of one image, raw little-endian float32."""

    image_id: str
    output: Output
    blob: MadeBlob


class Outcome(_Made):
    noise_model: MadeNoiseModel | None = None
    network: MadeNetwork | None = None
    artifacts: tuple[MadeArtifact, ...] = ()
    planes: tuple[MadePlanes, ...] = ()
    surveys: dict[str, Survey] = {}
    """Of images that nobody had surveyed before, by image id."""
    result: dict[str, Any] = {}
