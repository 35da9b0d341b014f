"""Domain errors; each class has a stable code and an HTTP status."""

from http import HTTPStatus
from typing import ClassVar


class ClearScopeError(Exception):
    """An error that the caller can act on: it says what is wrong and what would be right."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = HTTPStatus.INTERNAL_SERVER_ERROR
    retry_after_s: int | None = None
    """Time after which the same request may succeed."""

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


class UploadProtocolError(ClearScopeError):
    """A request on a resumable upload that contradicts the protocol (tus)."""

    code = "upload-protocol"
    status: ClassVar[int] = HTTPStatus.BAD_REQUEST


class TooManyPartsError(UploadProtocolError):
    """The bytes of an upload arrive in too small portions."""

    code = "too-many-parts"


class UploadVersionError(UploadProtocolError):
    code = "upload-version"
    status = HTTPStatus.PRECONDITION_FAILED


class UploadMediaTypeError(UploadProtocolError):
    code = "upload-media-type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class UploadChecksumError(UploadProtocolError):
    """The bytes are not those that the client's checksum is of."""

    code = "upload-checksum"
    status = 460  # tus; HTTP has no such status


class UploadOffsetError(ConflictError):
    """The bytes do not follow those that the server has."""

    code = "upload-offset"


class UploadUnfinishedError(ConflictError):
    """A part of an upload is named that has not been received completely."""

    code = "upload-unfinished"


class UploadLockedError(ConflictError):
    """All bytes have arrived, and another request is making the image."""

    code = "upload-locked"
    status = HTTPStatus.LOCKED
    retry_after_s = 5


class UploadImmutableError(ClearScopeError):
    code = "upload-immutable"
    status = HTTPStatus.FORBIDDEN


class UploadGoneError(ClearScopeError):
    """An upload that has expired, or whose file was refused."""

    code = "upload-gone"
    status = HTTPStatus.GONE


class IdempotencyMismatchError(ClearScopeError):
    """An Idempotency-Key was sent again with another body."""

    code = "idempotency-mismatch"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class InvalidRequestError(ClearScopeError):
    code = "invalid-request"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class FieldError(InvalidRequestError):
    """A request field that conflicts with the others; commands name the option instead."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class UnforcedError(FieldError):
    """A field that is refused unless `force` is set; `instead`: what else would be right."""

    def __init__(self, field: str, why: str, instead: str) -> None:
        super().__init__(field, f"{why}; {instead}, or set force to use it all the same")
        self.why = why


class OutageError(ClearScopeError):
    """The request is valid, but database, blob store or disk fails at present; a retry may succeed."""

    code = "unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after_s = 5


class UnavailableError(OutageError):
    """Database or blob store did not answer; the last write may or may not have taken place."""

    code = "unavailable"


class StorageFullError(OutageError):
    code = "storage-full"
    status = HTTPStatus.INSUFFICIENT_STORAGE


class RequestAbandonedError(ClearScopeError):
    """The client closed the connection before its turn came, so nobody receives this."""

    code = "request-abandoned"
    status = HTTPStatus.REQUEST_TIMEOUT


class ImageError(ClearScopeError):
    """An uploaded file that cannot be used as an image."""

    code = "image-invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class ImageCorruptError(ImageError):
    """Of no known format, or broken, truncated or hostile."""

    code = "image-corrupt"


class ImageUnsupportedError(ImageError):
    """A valid file of a kind that cannot be denoised (RGB, complex, unknown compression...)."""

    code = "image-unsupported"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class ImageContentError(ImageError):
    """Readable, but its pixels carry no information (constant, not finite, too small)."""

    code = "image-content"


class ImageSeriesError(ImageError):
    """A file of several images, of which none is chosen, or one that it does not hold."""

    code = "image-series"


class ImageTooLargeError(ClearScopeError):
    code = "image-too-large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class ReaderFailedError(ClearScopeError):
    """The image reader failed through a bug of its own, not through the file."""

    code = "reader-failed"


class NoiseModelInvalidError(ClearScopeError):
    code = "noise-model-invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class NetworkFileInvalidError(ClearScopeError):
    code = "network-file-invalid"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class LeaseLostError(ClearScopeError):
    """Another worker has taken over this job; this attempt must not write anything."""

    code = "lease-lost"


class JobFailedError(ClearScopeError):
    """A job cannot succeed with its input; retrying does not help."""

    code = "job-failed"


class UnauthenticatedError(ClearScopeError):
    """The API key is missing, invalid, expired or revoked."""

    code = "unauthenticated"
    status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(ClearScopeError):
    """The API key lacks the permission."""

    code = "forbidden"
    status = HTTPStatus.FORBIDDEN


class BodyTooLargeError(ClearScopeError):
    code = "body-too-large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class StorageQuotaError(ClearScopeError):
    """The API key's storage quota is used up."""

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


class TooManyUploadsError(TooManyRequestsError):
    code = "too-many-uploads"


class AddressForbiddenError(InvalidRequestError):
    """A user-supplied address that the server must not call."""

    code = "address-forbidden"
    status = HTTPStatus.FORBIDDEN


class JobTimeoutError(JobFailedError):
    """An attempt exceeded the time limit."""

    code = "job-timeout"


class DeviceUnavailableError(ClearScopeError):
    """The configured device does not work on this machine; another machine may have one that does."""

    code = "device-unavailable"


class SchemaMismatchError(ClearScopeError):
    """The database schema is not the one that this version requires."""

    code = "schema-mismatch"
