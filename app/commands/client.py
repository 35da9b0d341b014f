"""API client used by the command line and the demo."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import quote, urlsplit

import httpx

from app.commands.packed_folder import packed
from models_store.errors import (
    ClearScopeError,
    ImageError,
    ImageTooLargeError,
    InvalidRequestError,
    JobFailedError,
)
from models_store.image_files.sets.folder import FolderFiles
from models_store.image_files.sets.kind import require_set_kind
from models_store.whole_files import appearing_whole, reporting_write_errors

UPLOAD_CHUNK_BYTES = 1024**2
ENDED_WITHOUT_RESULT = {"failed", "cancelled"}

Document = dict[str, Any]


class ServerRefusedError(ClearScopeError):
    """Problem response from the server; carries its detail and HTTP status."""

    code = "server-refused"

    def __init__(self, detail: str, http_status: int) -> None:
        super().__init__(detail)
        self.http_status = http_status


class ServerUnreachableError(ClearScopeError):
    code = "server-unreachable"


class Client:
    """HTTP client of one server; a context manager."""

    def __init__(
        self, server: str, *, key: str | None = None, poll_s: float = 0.5, outage_timeout_s: float = 60.0
    ) -> None:
        """Open a connection pool.

        `key`: API key, if the server requires one. `outage_timeout_s`: time for which `wait` tolerates a
        server that does not answer.
        """
        # Proxies from the environment are meant for remote hosts, not for loopback.
        self._http = httpx.Client(
            base_url=server,
            headers={"Authorization": f"Bearer {key}"} if key else None,
            timeout=httpx.Timeout(30.0, write=None),
            trust_env=not is_loopback(server),
        )
        self._server = server
        self._poll_s = poll_s
        self._outage_timeout_s = outage_timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def ensure_microscope(self, name: str) -> Document:
        """Return the microscope of this name; create it if it does not exist."""
        return self._ensure("/v1/microscopes", name)

    def ensure_profile(self, microscope: str, name: str) -> Document:
        """Return the microscope's profile of this name; create it if it does not exist."""
        return self._ensure(f"/v1/microscopes/{quote(microscope, safe='')}/profiles", name)

    def upload(
        self,
        path: Path,
        *,
        microscope: str | None = None,
        profile: str | None = None,
        role: str = "data",
        series: int | None = None,
    ) -> Document:
        """Stream a file to the server, or a folder as a ZIP archive; errors name it."""
        try:
            with _content(path) as content:
                query = {
                    "filename": content.filename,
                    "microscope": microscope,
                    "profile": profile,
                    "role": role,
                    "series": series,
                }
                present = {key: value for key, value in query.items() if value is not None}
                return self._call(
                    "POST", "/v1/images", params=present, content=content.chunks, headers=content.headers
                )
        except ServerRefusedError as refusal:
            raise ServerRefusedError(f"{path}: {refusal.detail}", refusal.http_status) from refusal
        except (ImageError, ImageTooLargeError) as error:
            raise InvalidRequestError(f"{path}: {error.detail}") from error

    def submit(self, spec: Document) -> Document:
        return self._call("POST", "/v1/jobs", json=spec)

    def job(self, job_id: str) -> Document:
        return self._call("GET", f"/v1/jobs/{job_id}")

    def get(self, path: str) -> Document:
        return self._call("GET", path)

    def wait(self, job_id: str, on_progress: Callable[[Document], None]) -> Document:
        """Poll a job until it succeeds, tolerating server restarts.

        Raises JobFailedError if the job fails or is cancelled.
        """
        last_response_s = time.monotonic()
        while True:
            try:
                job = self.job(job_id)
            except ServerUnreachableError:
                if time.monotonic() - last_response_s > self._outage_timeout_s:
                    raise
            else:
                last_response_s = time.monotonic()
                on_progress(job)
                if job["state"] == "succeeded":
                    return job
                if job["state"] in ENDED_WITHOUT_RESULT:
                    reason = job["error"]["detail"] if job["error"] else "nobody waits for it any more"
                    raise JobFailedError(f"job {job_id} {job['state']}: {reason}")
            time.sleep(self._poll_s)

    def download(self, href: str, target: Path) -> None:
        """Download a file atomically: the target is written completely or not at all."""
        try:
            with self._http.stream("GET", href) as response:
                if response.is_error:
                    response.read()
                    raise _refusal(response)
                with (
                    reporting_write_errors(target),
                    appearing_whole(target) as unfinished,
                    unfinished.open("wb") as file,
                ):
                    file.writelines(response.iter_bytes())
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _ensure(self, collection: str, name: str) -> Document:
        try:
            return self._call("GET", f"{collection}/{quote(name, safe='')}")
        except ServerRefusedError as refusal:
            if refusal.http_status != httpx.codes.NOT_FOUND:
                raise
        return self._call("POST", collection, json={"name": name})

    def _call(self, method: str, path: str, **request: Any) -> Document:  # noqa: ANN401  # httpx's arguments
        try:
            response = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _refusal(response)
        document: Document = response.json()
        return document

    def _unreachable(self, error: httpx.TransportError) -> ServerUnreachableError:
        return ServerUnreachableError(
            f"no response from {self._server} ({error}); start a server with `clearscope serve`, "
            f"or choose another one with --server"
        )


def is_loopback(server: str) -> bool:
    return urlsplit(server).hostname in {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True)
class _Content:
    """What an upload sends."""

    filename: str
    chunks: Iterator[bytes]
    headers: dict[str, str]


@contextmanager
def _content(path: Path) -> Iterator[_Content]:
    """Open a file, or a folder of an image set; raises ImageUnsupportedError if it is no such set."""
    if path.is_dir():
        with FolderFiles(path) as files:
            require_set_kind(files, "a folder")
            # The size of the archive is not known before it is packed.
            yield _Content(f"{path.resolve().name}.zip", packed(files), {})
        return
    with path.open("rb") as file:
        yield _Content(path.name, _chunks(file), {"Content-Length": str(path.stat().st_size)})


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(UPLOAD_CHUNK_BYTES):
        yield chunk


def _refusal(response: httpx.Response) -> ServerRefusedError:
    try:
        problem = response.json()
        detail = f"{problem['title']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        detail = f"{response.status_code} {response.reason_phrase}"
    return ServerRefusedError(detail, response.status_code)
