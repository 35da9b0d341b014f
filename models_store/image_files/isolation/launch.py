"""Starts the server of reading processes, and keeps it running."""

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
from models_store.image_files.isolation.lockdown import seccomp_complaint

logger = logging.getLogger(__name__)

_RESTART_PAUSE_S = 1.0
_LOOK_S = 0.01
_LONGEST_FOLDER_BYTES = 60  # of an address, 104 bytes are allowed everywhere
_KEPT_BYTES = str(2**28)


class ReadingService:
    """The server of reading processes, a child of this process; should it die, it is started again."""

    def __init__(self) -> None:
        self._folder = _folder_for_sockets() / f"clearscope-reading-{secrets.token_hex(8)}"
        self._address = self._folder / "socket"
        self.isolation = Isolation(str(self._address))
        """Good while the service is running."""

    @contextmanager
    def running(self) -> Iterator[Isolation]:
        """Run the server during the block. Raises RuntimeError if it does not start."""
        complaint = seccomp_complaint()
        if complaint is not None:
            logger.warning("image files are read in processes that are not shut in: %s", complaint)
        self._folder.mkdir(mode=0o700)
        stopping = threading.Event()
        try:
            process = self._start()
            self._wait_until_it_listens(process)
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
                    "the server of reading processes ended with %s; it is restarted", process.returncode
                )
                self._address.unlink(missing_ok=True)
                _end(process)
                try:
                    process = self._start()
                except OSError:
                    logger.exception("it cannot be started, and is tried again")
        _end(process)

    def _wait_until_it_listens(self, process: "subprocess.Popen[bytes]") -> None:
        while not self._address.exists():
            if process.poll() is not None:
                raise RuntimeError(f"the server of reading processes does not start: {process.returncode}")
            time.sleep(_LOOK_S)

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603  # the command is fixed
            [sys.executable, "-m", "models_store.image_files.isolation.server", str(self._address)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=_environment(),
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Let the server end, which it does with its standard input."""
    if process.stdin is not None:
        process.stdin.close()
    process.wait()


def _folder_for_sockets() -> Path:
    """Choose the folder of temporary files, unless its path is too long for the address of a socket."""
    temporary = Path(tempfile.gettempdir())
    return temporary if len(os.fsencode(temporary)) < _LONGEST_FOLDER_BYTES else Path("/tmp")  # noqa: S108  # the folder that is made in it is new, and ours alone


def _environment() -> dict[str, str]:
    """Hand on nothing of this process's environment: it may hold secrets."""
    root = str(Path(models_store.__file__).parents[1])
    search = dict.fromkeys([root, *filter(None, sys.path)])
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    # Memory that is given back after each plane and taken again costs several times what decoding does.
    kept_memory = {"MALLOC_TRIM_THRESHOLD_": _KEPT_BYTES, "MALLOC_MMAP_THRESHOLD_": _KEPT_BYTES}
    return {"PYTHONPATH": os.pathsep.join(search), **one_thread, **kept_memory}
