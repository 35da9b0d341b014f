"""Database tables. Alembic migrations are generated from these classes and checked against them."""

from models_store.database.tables.camera_checks import CameraCheckRow
from models_store.database.tables.images import Image
from models_store.database.tables.jobs import (
    Job,
    JobDeletion,
    JobDependency,
    JobEvent,
    JobImage,
    JobNetwork,
    JobNoiseModel,
    Webhook,
)
from models_store.database.tables.keys import ApiKey, ApiKeyMicroscope, IdempotencyKey
from models_store.database.tables.microscopes import Microscope, Profile
from models_store.database.tables.networks import Network
from models_store.database.tables.noise_models import NoiseModelActivation, NoiseModelRow, PixelPairsRow
from models_store.database.tables.results import Artifact, PartPlanes
from models_store.database.tables.share_links import ShareLink
from models_store.database.tables.upkeep import Retention, Sweep, Worker
from models_store.database.tables.uploads import ResumableUpload, UploadPart

__all__ = [
    "ApiKey",
    "ApiKeyMicroscope",
    "Artifact",
    "CameraCheckRow",
    "IdempotencyKey",
    "Image",
    "Job",
    "JobDeletion",
    "JobDependency",
    "JobEvent",
    "JobImage",
    "JobNetwork",
    "JobNoiseModel",
    "Microscope",
    "Network",
    "NoiseModelActivation",
    "NoiseModelRow",
    "PartPlanes",
    "PixelPairsRow",
    "Profile",
    "ResumableUpload",
    "Retention",
    "ShareLink",
    "Sweep",
    "UploadPart",
    "Webhook",
    "Worker",
]
