"""Outcome of a finished job; registered in one transaction."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from models_store.contracts.camera_figures import CameraCheck
from models_store.contracts.noise_models import NoiseModelParameters
from models_store.contracts.vocabulary import Method, NoiseModelOrigin, Output, Preset
from models_store.survey.survey import Survey


class _Made(BaseModel):
    model_config = ConfigDict(frozen=True)


class MadeBlob(_Made):
    key: str
    sha256: str
    size_bytes: int


class MadePixelPairs(_Made):
    """Counts of the pixel pairs that a noise model was fitted to."""

    blob: MadeBlob
    image_ids: tuple[str, ...]
    pairs: int
    signal_min_adu: float
    signal_max_adu: float
    saturation_adu: float | None
    """Observations from here on were not counted; None: there is no such limit."""


class MadeNoiseModel(_Made):
    origin: NoiseModelOrigin
    parameters: NoiseModelParameters
    fit_quality: dict[str, Any]
    pixel_pairs: MadePixelPairs | None = None
    software_version: str | None = None
    """Version of ClearScope that fitted it."""


class MadeNetwork(_Made):
    method: Method
    preset: Preset
    recipe: str
    blob: MadeBlob
    description: dict[str, Any]
    noise_model_id: str | None = None
    """Noise model that the network was trained with; None: the one that the same job made, if any."""


class MadeArtifact(_Made):
    name: str
    media_type: str
    blob: MadeBlob
    image_id: str | None = None
    """Image that this is a result of; None: it belongs to the job as a whole."""
    output: Output | None = None


class MadePlanes(_Made):
    """Consecutive planes (Y, X) of one image, raw little-endian float32."""

    image_id: str
    output: Output
    blob: MadeBlob


class MadeCheck(_Made):
    noise_model_id: str
    check: CameraCheck


class Outcome(_Made):
    noise_model: MadeNoiseModel | None = None
    network: MadeNetwork | None = None
    artifacts: tuple[MadeArtifact, ...] = ()
    planes: tuple[MadePlanes, ...] = ()
    check: MadeCheck | None = None
    surveys: dict[str, Survey] = {}
    """Surveys of images that had none, by image id."""
    result: dict[str, Any] = {}
