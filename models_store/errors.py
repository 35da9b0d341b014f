"""Domain errors. Each class has a stable code, and the HTTP status that it is answered with."""

from http import HTTPStatus
from typing import ClassVar


class ClearScopeError(Exception):
    """Something that the caller can understand and act on: what is wrong and what would be right."""

    code: ClassVar[str] = "internal"
    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    retry_after_s: int | None = None
    """When the same request may succeed."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFoundError(ClearScopeError):
    code = "not-found"
    status = HTTPStatus.NOT_FOUND


class ConflictError(ClearScopeError):
    """The request contradicts what is stored."""

    code = "conflict"
    status = HTTPStatus.CONFLICT


class JobEndedError(ConflictError):
    code = "job-ended"


class JobNotEndedError(ConflictError):
    code = "job-not-ended"


class IdempotencyMismatchError(ClearScopeError):
    """An Idempotency-Key was sent again with another body."""

    code = "idempotency-mismatch"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InvalidRequestError(ClearScopeError):
    code = "invalid-request"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class FieldError(InvalidRequestError):
    """A field of a request that does not go with the others; commands name the option instead."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class OutageError(ClearScopeError):
    """The request is sound; what it needs from database, blobs or disk fails now and may work again later."""

    code = "unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after_s = 5


class UnavailableError(OutageError):
    """Database or blob store gave no answer; whether the last write took place is not known."""

    code = "unavailable"


class StorageFullError(OutageError):
    code = "storage-full"
    status = HTTPStatus.INSUFFICIENT_STORAGE


class ImageError(ClearScopeError):
    """An uploaded file that cannot be used as an image."""

    code = "image-invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class ImageCorruptError(ImageError):
    """Not a TIFF, or one that is broken, truncated or hostile."""

    code = "image-corrupt"


class ImageUnsupportedError(ImageError):
    """A sound file of a kind that cannot be denoised (RGB, complex, unknown compression...)."""

    code = "image-unsupported"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class ImageContentError(ImageError):
    """Readable, but its pixels carry no information (constant, not finite, too small)."""

    code = "image-content"


class ImageTooLargeError(ClearScopeError):
    code = "image-too-large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class ReaderFailedError(ClearScopeError):
    """The reader of image files met something that it should have foreseen."""

    code = "reader-failed"


class NoiseModelInvalidError(ClearScopeError):
    code = "noise-model-invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class LeaseLostError(ClearScopeError):
    """Another worker has taken over this job; nothing of this attempt may be written."""

    code = "lease-lost"


class JobFailedError(ClearScopeError):
    """A job cannot succeed with its input, however often it is tried."""

    code = "job-failed"


class UnauthenticatedError(ClearScopeError):
    """No API key, or one that is not valid (any more)."""

    code = "unauthenticated"
    status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(ClearScopeError):
    """The API key does not allow it."""

    code = "forbidden"
    status = HTTPStatus.FORBIDDEN


class BodyTooLargeError(ClearScopeError):
    code = "body-too-large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class StorageQuotaError(ClearScopeError):
    """What the API key owns takes all the bytes that it may store."""

    code = "storage-quota-exceeded"
    status = HTTPStatus.FORBIDDEN


class TooManyRequestsError(ClearScopeError):
    code = "too-many-requests"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class TooManyActiveJobsError(TooManyRequestsError):
    code = "too-many-active-jobs"


class AddressForbiddenError(InvalidRequestError):
    """An address given by a user that the server must not call."""

    code = "address-forbidden"
    status = HTTPStatus.FORBIDDEN


class JobTimeoutError(JobFailedError):
    """An attempt took longer than one may."""

    code = "job-timeout"


class DeviceUnavailableError(ClearScopeError):
    """This machine cannot compute where it was told to; another one might."""

    code = "device-unavailable"


class SchemaMismatchError(ClearScopeError):
    """The database's schema is not the one that this version works with."""

    code = "schema-mismatch"
