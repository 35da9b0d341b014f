"""Domain errors. Each class has a stable code; app.http.problems maps the codes to HTTP."""

from typing import ClassVar


class ClearScopeError(Exception):
    """Something that the caller can understand and act on: what is wrong and what would be right."""

    code: ClassVar[str] = "internal"
    retry_after_s: int | None = None
    """When the same request may succeed."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFoundError(ClearScopeError):
    code = "not-found"


class ConflictError(ClearScopeError):
    """The request contradicts what is stored."""

    code = "conflict"


class JobEndedError(ConflictError):
    code = "job-ended"


class JobNotEndedError(ConflictError):
    code = "job-not-ended"


class IdempotencyMismatchError(ClearScopeError):
    """An Idempotency-Key was sent again with another body."""

    code = "idempotency-mismatch"


class InvalidRequestError(ClearScopeError):
    code = "invalid-request"


class OutageError(ClearScopeError):
    """The request is sound; what it needs from database, blobs or disk fails now and may work again later."""

    code = "unavailable"


class UnavailableError(OutageError):
    """Database or blob store gave no answer; whether the last write took place is not known."""

    code = "unavailable"


class StorageFullError(OutageError):
    code = "storage-full"


class ImageError(ClearScopeError):
    """An uploaded file that cannot be used as an image."""

    code = "image-invalid"


class ImageCorruptError(ImageError):
    """Not a TIFF, or one that is broken, truncated or hostile."""

    code = "image-corrupt"


class ImageUnsupportedError(ImageError):
    """A sound file of a kind that cannot be denoised (RGB, complex, unknown compression...)."""

    code = "image-unsupported"


class ImageContentError(ImageError):
    """Readable, but its pixels carry no information (constant, not finite, too small)."""

    code = "image-content"


class ImageTooLargeError(ClearScopeError):
    code = "image-too-large"


class NoiseModelInvalidError(ClearScopeError):
    code = "noise-model-invalid"


class LeaseLostError(ClearScopeError):
    """Another worker has taken over this job; nothing of this attempt may be written."""

    code = "lease-lost"


class JobFailedError(ClearScopeError):
    """A job cannot succeed with its input, however often it is tried."""

    code = "job-failed"


class UnauthenticatedError(ClearScopeError):
    """No API key, or one that is not valid (any more)."""

    code = "unauthenticated"


class ForbiddenError(ClearScopeError):
    """The API key does not allow it."""

    code = "forbidden"


class BodyTooLargeError(ClearScopeError):
    code = "body-too-large"


class StorageQuotaError(ClearScopeError):
    """The API key's images and results take all the bytes that it may store."""

    code = "storage-quota-exceeded"


class TooManyRequestsError(ClearScopeError):
    code = "too-many-requests"

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class TooManyActiveJobsError(TooManyRequestsError):
    code = "too-many-active-jobs"


class AddressForbiddenError(InvalidRequestError):
    """An address given by a user that the server must not call."""

    code = "address-forbidden"


class JobTimeoutError(JobFailedError):
    """An attempt took longer than one may."""

    code = "job-timeout"


class DeviceUnavailableError(ClearScopeError):
    """This machine cannot compute where it was told to; another one might."""

    code = "device-unavailable"


class SchemaMismatchError(ClearScopeError):
    """The database's schema is not the one that this version works with."""

    code = "schema-mismatch"
