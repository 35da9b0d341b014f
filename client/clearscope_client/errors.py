"""Errors; each has a stable code and says what is wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

from clearscope_client.documents import Job


class ClientError(Exception):
    """Base of all errors of the client; `code` is stable, `detail` is for people."""

    code: str = "client-error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class ServerUnreachableError(ClientError):
    """No answer, for longer than the client waits."""

    code = "server-unreachable"


class UnexpectedAnswerError(ClientError):
    """An answer that no ClearScope server gives; the address may be that of another program."""

    code = "unexpected-answer"


class UploadDamagedError(ClientError):
    """The server has received other bytes than those of the source."""

    code = "upload-damaged"


class SourceChangedError(ClientError):
    """A file has changed while it was sent."""

    code = "source-changed"


class SourceUnreadableError(ClientError):
    """A file or folder cannot be read, or is no source of an image."""

    code = "source-unreadable"


class ArrayUnsupportedError(ClientError):
    """An array that cannot be sent, or a result that cannot be had as an array."""

    code = "array-unsupported"


class DownloadDamagedError(ClientError):
    """A file has another digest than the server has told."""

    code = "download-damaged"


class FileUnwritableError(ClientError):
    """A file cannot be written: no permission, no room, or no such place."""

    code = "file-unwritable"


class FolderBusyError(ClientError):
    """Another process uses the folder."""

    code = "folder-busy"


class SpoolClosedError(ClientError):
    """Nothing more can be posted to a spool that was closed."""

    code = "spool-closed"


class SpoolFullError(ClientError):
    """More images wait to be sent than the spool may hold."""

    code = "spool-full"


class JobFailedError(ClientError):
    """The job has failed, or was cancelled; `job` is its last document."""

    def __init__(self, job: Job) -> None:
        reason = job.error.detail if job.error else "nobody waits for it any more"
        super().__init__(f"job {job.id} {job.state}: {reason}")
        self.job = job
        self.code = job.error.code if job.error else f"job-{job.state}"


class ServerRefusedError(ClientError):
    """The server's problem document: its code, HTTP status and request id.

    `retry_after_s`: time after which the same request may succeed, if the server tells it.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: str,
        http_status: int,
        retry_after_s: float | None = None,
        request_id: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.http_status = http_status
        self.retry_after_s = retry_after_s
        self.request_id = request_id
        self.errors = tuple(errors)

    def about(self, what: str) -> "ServerRefusedError":
        """Return the same refusal, whose detail begins with what was refused."""
        return type(self)(
            f"{what}: {self.detail}",
            code=self.code,
            http_status=self.http_status,
            retry_after_s=self.retry_after_s,
            request_id=self.request_id,
            errors=self.errors,
        )


class InvalidRequestError(ServerRefusedError):
    """400, 413, 415 or 422: the request or its image is wrong, and will be the next time."""


class UnauthenticatedError(ServerRefusedError):
    """401: the key is missing, wrong, expired or revoked."""


class ForbiddenError(ServerRefusedError):
    """403: the key lacks a scope, or its quota is used up."""


class NotFoundError(ServerRefusedError):
    """404 or 410: there is no such thing, or the key may not see it."""


class ConflictError(ServerRefusedError):
    """409: the request contradicts what is stored."""


class TooManyRequestsError(ServerRefusedError):
    """429: the key has used up its requests or its active jobs for now."""


class ServerFailedError(ServerRefusedError):
    """5xx: the server or what it depends on fails at present."""


_BY_STATUS: dict[int, type[ServerRefusedError]] = {
    400: InvalidRequestError,
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: TooManyRequestsError,
}
_FIRST_SERVER_ERROR = 500


def refusal_kind(http_status: int) -> type[ServerRefusedError]:
    """Return the class of the error for an HTTP status."""
    default = ServerFailedError if http_status >= _FIRST_SERVER_ERROR else ServerRefusedError
    return _BY_STATUS.get(http_status, default)
