"""Take images in, and send them from a thread of its own."""

import threading
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from clearscope_client.blocking import ClearScope
from clearscope_client.denoising import Sent, source_to_send
from clearscope_client.errors import (
    ClientError,
    ConflictError,
    InvalidRequestError,
    ServerFailedError,
    SpoolClosedError,
    SpoolFullError,
    UploadDamagedError,
)
from clearscope_client.exclusive import exclusively
from clearscope_client.sources import FileSource
from clearscope_client.spool.entries import Delivered, Entry, Posting, Ticket
from clearscope_client.spool.storage import UPLOADS_FOLDER, Storage

WhenFull = Literal["wait", "raise"]

# Sending the same image again would not help; it is put aside, so that those behind it get their turn.
_OF_THE_IMAGE = (InvalidRequestError, ConflictError, UploadDamagedError)
_INTERNAL = 500
_MOST_INTERNAL_ERRORS = 5


def _ignore(_: object) -> None:
    """Tell nobody."""


class Spool:
    """Images on their way to a server: safe on disk once `post` returns, sent once and in order.

    A context manager. Closing it leaves what is unsent in the folder, for the next one.
    """

    def __init__(  # noqa: PLR0913  # one for each choice that there is
        self,
        folder: Path | str,
        client: ClearScope,
        posting: Posting | None = None,
        *,
        limit_bytes: int = 100 * 1024**3,
        when_full: WhenFull = "wait",
        hold_s: float = 5.0,
        on_delivered: Callable[[Delivered], None] = _ignore,
        tell: Callable[[str], None] = _ignore,
    ) -> None:
        """Open a folder, and begin to send what is in it.

        `posting`: what is told of each image, unless `post` says otherwise. `limit_bytes`: most that may
        wait. `when_full`: whether `post` then waits or raises SpoolFullError. `hold_s`: pause before the next
        attempt. `on_delivered`: called in the sending thread for each image that the server has. `tell`:
        called with lines for people. Raises FolderBusyError if another process uses the folder.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._closing = ExitStack()
        self._closing.enter_context(exclusively(folder))
        self._client = client
        self._posting = posting or Posting()
        self._limit_bytes = limit_bytes
        self._when_full = when_full
        self._hold_s = hold_s
        self._on_delivered = on_delivered
        self._tell = tell
        self._storage = Storage(folder)
        self._uploads = folder / UPLOADS_FOLDER
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._adding = threading.Lock()
        self._failure: Exception | None = None
        self._sending = False
        """Whether an image is being sent, or told as delivered."""
        self._thread = threading.Thread(target=self._send_all, name="spool", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self, patience_s: float = 10.0) -> None:
        """Stop sending; an image that is being sent is sent again by the next spool, with the same key."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(patience_s)
        if not self._thread.is_alive():
            self._closing.close()

    @property
    def waiting(self) -> int:
        """Number of images that are not yet at the server."""
        with self._changed:
            return len(self._storage.entries)

    @property
    def waiting_bytes(self) -> int:
        with self._changed:
            return self._storage.size_bytes

    def delivered(self) -> list[Delivered]:
        """Return what the server has of all that was ever posted to this folder, in that order.

        A program that was interrupted finds here what it still has to fetch the results of.
        """
        with self._changed:
            return list(self._storage.delivered())

    def post(
        self,
        image: Sent,
        posting: Posting | None = None,
        *,
        key: str | None = None,
        timeout_s: float | None = None,
    ) -> Ticket:
        """Store a frame, file or folder; it is on disk when this returns.

        `key`: name of your own for the image; one that was posted before is not posted again. `timeout_s`:
        longest wait for room. Raises SpoolFullError, SpoolClosedError, FileUnwritableError or what is wrong
        with the image.
        """
        source = source_to_send(image)
        key = key or uuid.uuid4().hex
        with self._adding:
            known = self._storage.keys.get(key)
            if known is not None:
                return Ticket(number=known, key=key)
            self._await_room(source.size_bytes or 0, timeout_s)
            if self._stopping.is_set():
                raise SpoolClosedError("the spool is closed; open another one on its folder")
            entry = self._storage.write(source, key, posting or self._posting)
            with self._changed:
                self._storage.admit(entry)
                self._changed.notify_all()
        return Ticket(number=entry.number, key=key)

    def wait_until_sent(self, timeout_s: float | None = None) -> bool:
        """Wait until the server has all images and `on_delivered` was told; return whether that is so.

        Raises SpoolClosedError if sending has ended, such as by an error of `on_delivered`.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_done() or self._failure is not None, timeout_s)
            if self._failure is not None and self._storage.entries:
                raise SpoolClosedError(f"sending has ended: {self._failure!r}") from self._failure
            return self._is_done()

    def _is_done(self) -> bool:
        return not self._storage.entries and not self._sending

    def _await_room(self, size_bytes: int, timeout_s: float | None) -> None:
        def has_room() -> bool:
            return self._storage.size_bytes + size_bytes <= self._limit_bytes

        if size_bytes > self._limit_bytes:
            raise SpoolFullError(
                f"the image has {size_bytes} bytes, more than the spool may hold ({self._limit_bytes})"
            )
        with self._changed:
            if self._when_full == "wait":
                self._changed.wait_for(lambda: has_room() or self._stopping.is_set(), timeout_s)
            if not has_room() and not self._stopping.is_set():
                raise SpoolFullError(
                    f"{len(self._storage.entries)} images of {self._storage.size_bytes} bytes wait to be "
                    f"sent, and there is room for {self._limit_bytes}"
                )

    def _send_all(self) -> None:
        try:
            while (entry := self._next()) is not None:
                self._send(entry)
                with self._changed:
                    self._sending = False
                    self._changed.notify_all()
        except Exception as error:
            # Images are still taken in, and the next spool sends them.
            with self._changed:
                self._failure, self._sending = error, False
                self._changed.notify_all()
            self._tell(f"sending has ended: {error!r}; {self.waiting} images wait")
            raise

    def _next(self) -> Entry | None:
        """Return the oldest entry, once there is one; None when the spool is closed."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._storage.entries) or self._stopping.is_set())
            if self._stopping.is_set():
                return None
            self._sending = True
            return next(iter(self._storage.entries.values()))

    def _send(self, entry: Entry) -> None:
        """Send an image until the server has it or does not want it."""
        internal_errors, told = 0, ""
        while not self._stopping.is_set():
            try:
                delivered = self._deliver(entry)
                with self._changed:
                    self._storage.deliver(delivered)
                    self._changed.notify_all()
            except OSError as error:
                told = self._hold(f"the spool's folder cannot be written: {error.strerror}", told)
            except ClientError as error:
                internal_errors += isinstance(error, ServerFailedError) and error.http_status == _INTERNAL
                if isinstance(error, _OF_THE_IMAGE) or internal_errors >= _MOST_INTERNAL_ERRORS:
                    with self._changed:
                        refused = self._storage.refuse(entry, error.detail)
                        self._changed.notify_all()
                    self._tell(f"{entry.name}: {error.detail}; it is kept in {refused}")
                    return
                told = self._hold(error.detail, told)
            else:
                self._on_delivered(delivered)
                return

    def _hold(self, reason: str, told: str) -> str:
        """Pause before the next attempt; tell the reason unless it is the one that was told last."""
        if reason != told:
            self._tell(f"{reason}; {self.waiting} images wait")
        self._stopping.wait(self._hold_s)
        return reason

    def _deliver(self, entry: Entry) -> Delivered:
        told = entry.posting
        source = FileSource.of(self._storage.path_of(entry), entry.name)
        image = self._client.upload(
            source,
            microscope=told.microscope,
            profile=told.profile,
            settings=told.settings,
            role=told.role,
            series=told.series,
            key=entry.key,
            resume=self._uploads,
        )
        if image.sha256 != entry.sha256:
            raise UploadDamagedError(
                f"{entry.name}: the disk has damaged it while it waited (SHA-256 {image.sha256}, not "
                f"{entry.sha256}); delete image {image.id}, and post the image again if there is another copy"
            )
        job_id = None
        if told.spec is not None:
            spec = {"kind": "denoise", **told.spec, "image_ids": [image.id]}
            job_id = self._client.submit(spec, key=entry.key).id
        return Delivered(
            number=entry.number,
            key=entry.key,
            name=entry.name,
            sha256=image.sha256,
            image_id=image.id,
            job_id=job_id,
        )
