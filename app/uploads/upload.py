"""What an upload asks for, and how large its file may be."""

import hashlib
import json
from dataclasses import dataclass

from app.http.authorization import Caller
from app.http.dependencies import Services
from app.http.posted_settings import PostedSettings
from app.http.profile_parameters import matching_profiles, require_microscope_for_settings
from models_store.contracts.vocabulary import ImageRole
from models_store.database.visibility import require_named_microscope
from models_store.errors import ClearScopeError, ImageTooLargeError
from models_store.repositories import idempotency
from models_store.repositories.usage import remaining_bytes, storage_exceeded


@dataclass(frozen=True)
class Upload:
    """Parameters of an upload request."""

    filename: str
    microscope: str | None
    profile: str | None
    role: ImageRole
    series: int | None
    """Number of the image, from 0, if the file holds several."""
    settings: PostedSettings | None
    """Acquisition settings, which win over those in the file."""
    idempotency_key: str | None
    caller: Caller

    @property
    def idempotency_namespace(self) -> str:
        return idempotency.idempotency_namespace(idempotency.IMAGES, self.caller.viewer.key_id)

    def fingerprint(self, sha256: str) -> str:
        """Return a digest that distinguishes requests with the same Idempotency-Key."""
        parameters: list[str | int | None] = [
            self.filename,
            self.microscope,
            self.profile,
            self.role,
            sha256,
        ]
        # Left out, so that requests from before there was a choice keep their fingerprints.
        parameters += [] if self.series is None else [self.series]
        parameters += [] if self.settings is None else [self.settings.model_dump_json()]
        return hashlib.sha256(json.dumps(parameters).encode()).hexdigest()


@dataclass(frozen=True)
class SizeLimit:
    """Size limit of an upload, and the error raised when it is exceeded."""

    size_bytes: int
    error: ClearScopeError


def size_limit(services: Services, caller: Caller) -> SizeLimit:
    """Return the size limit of a caller's next upload. Raises StorageQuotaError if no room is left."""
    limit_bytes, quota = services.settings.upload_limit_bytes, caller.quota
    if quota:
        with services.database.read() as session:
            room_bytes = remaining_bytes(session, quota)
        if room_bytes < limit_bytes:
            return SizeLimit(room_bytes, storage_exceeded(quota))
    return SizeLimit(limit_bytes, _too_large(limit_bytes))


def require_within_limit(services: Services, size_bytes: int) -> None:
    """Raise ImageTooLargeError for a file larger than the server takes."""
    if size_bytes > (limit_bytes := services.settings.upload_limit_bytes):
        raise _too_large(limit_bytes)


def _too_large(limit_bytes: int) -> ImageTooLargeError:
    return ImageTooLargeError(f"the file is larger than this server's limit of {limit_bytes} bytes")


def require_known(services: Services, upload: Upload) -> None:
    """Raise for unknown microscopes and profiles, before gigabytes are received."""
    require_microscope_for_settings(upload.microscope, upload.profile, upload.settings)
    with services.database.read() as session:
        require_named_microscope(session, upload.microscope or upload.profile)
        matching_profiles(session, upload.microscope, upload.profile)
