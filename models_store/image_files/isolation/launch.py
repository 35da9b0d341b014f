"""Start and supervision of the server of reading processes."""

import logging
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import models_store
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.lockdown import seccomp_problem

logger = logging.getLogger(__name__)

_RESTART_PAUSE_S = 1.0
_POLL_S = 0.01
_MAX_FOLDER_BYTES = 60  # every platform allows socket addresses of 104 bytes
_KEPT_BYTES = str(2**28)


class ReadingService:
    """The server of reading processes as a child process; restarted if it dies."""

    def __init__(self) -> None:
        self._folder = _socket_folder() / f"clearscope-reading-{secrets.token_hex(8)}"
        self._address = self._folder / "socket"
        self.isolation = Isolation(str(self._address))
        """Valid while the service is running."""

    @contextmanager
    def running(self) -> Iterator[Isolation]:
        """Run the server during the block. Raises RuntimeError if it does not start."""
        problem = seccomp_problem()
        if problem is not None:
            logger.warning("image files are read in processes without a seccomp sandbox: %s", problem)
        self._folder.mkdir(mode=0o700)
        stopping = threading.Event()
        try:
            process = self._start()
            self._wait_for_socket(process)
            watch = threading.Thread(
                target=self._watch, args=(process, stopping), name="reading", daemon=True
            )
            watch.start()
            try:
                yield self.isolation
            finally:
                stopping.set()
                watch.join()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _watch(self, process: "subprocess.Popen[bytes]", stopping: threading.Event) -> None:
        while not stopping.wait(_RESTART_PAUSE_S):
            if process.poll() is not None:
                logger.error(
                    "the server of reading processes exited with %s; it is restarted", process.returncode
                )
                self._address.unlink(missing_ok=True)
                _stop(process)
                try:
                    process = self._start()
                except OSError:
                    logger.exception("the server of reading processes cannot be started; retrying")
        _stop(process)

    def _wait_for_socket(self, process: "subprocess.Popen[bytes]") -> None:
        while not self._address.exists():
            if process.poll() is not None:
                raise RuntimeError(
                    f"the server of reading processes does not start; it exited with {process.returncode}"
                )
            time.sleep(_POLL_S)

    def _start(self) -> "subprocess.Popen[bytes]":
        # -P, because modules of the current folder would be imported in place of those of the same name.
        return subprocess.Popen(  # noqa: S603  # the command is fixed
            [sys.executable, "-P", "-m", "models_store.image_files.isolation.server", str(self._address)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=_environment(),
        )


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Close the server's standard input, which makes it exit, and wait for it."""
    if process.stdin is not None:
        process.stdin.close()
    process.wait()


def _socket_folder() -> Path:
    """Return the folder of temporary files, or /tmp if its path is too long for a socket address."""
    temporary = Path(tempfile.gettempdir())
    return temporary if len(os.fsencode(temporary)) < _MAX_FOLDER_BYTES else Path("/tmp")  # noqa: S108  # a new private folder is created in it


def _environment() -> dict[str, str]:
    """Return an environment without any variable of this process, which may hold secrets."""
    root = str(Path(models_store.__file__).parents[1])
    search = dict.fromkeys([root, *filter(None, sys.path)])
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    # Returning memory to the system after each plane costs several times as much as decoding.
    kept_memory = {"MALLOC_TRIM_THRESHOLD_": _KEPT_BYTES, "MALLOC_MMAP_THRESHOLD_": _KEPT_BYTES}
    return {"PYTHONPATH": os.pathsep.join(search), **one_thread, **kept_memory}
