"""Fork server with preloaded libraries; forks a reading process for each connection.

Run as `python -m models_store.image_files.isolation.server SOCKET`. It never reads an untrusted file itself.
It exits when its standard input is closed; a reading process exits when its client disconnects.
"""

import gc
import io
import os
import resource
import select
import signal
import socket
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import numpy as np
import tifffile

from models_store.image_files.header import DEFAULT_LIMITS
from models_store.image_files.isolation import reading, wire
from models_store.image_files.isolation.lockdown import seccomp_problem
from models_store.image_files.tiff.codecs import load_codecs
from models_store.image_files.zarr.sample import zarr_sample

_BACKLOG = 128
_OPEN_FILES = 4096
_STDIN = 0


def main() -> None:
    allow_open_files()
    load_codecs()
    seccomp_problem()  # loads the library
    read_samples()
    gc.freeze()  # keeps the pages of loaded objects shared with the forks
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(_BACKLOG)
        ReadingServer(listener).run()


def allow_open_files() -> None:
    """Raise the limit of open files (usually 1024) for jobs with a thousand images."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def read_samples() -> None:
    """Read a file of each kind once, to trigger all lazy imports before forking."""
    planes = np.arange(2 * 16 * 16, dtype=np.uint16).reshape(2, 16, 16)
    kinds = ({"imagej": True}, {"ome": True}, {"metadata": {"axes": "ZYX"}}, {"metadata": None})
    for options in kinds:
        content = io.BytesIO()
        tifffile.imwrite(content, planes, photometric="minisblack", **options)
        _read_sample(content.getvalue())
    _read_sample(zarr_sample(planes))


def _read_sample(content: bytes) -> None:
    with tempfile.TemporaryFile() as file, ExitStack() as stack:
        file.write(content)
        file.flush()
        files = reading.Files(stack)
        requests: list[dict[str, Any]] = [
            {"do": "inspect", "limits": asdict(DEFAULT_LIMITS), "series": None},
            {"do": "survey", "file": 0},
            {"do": "result_format", "file": 0, "dtype": "float32"},
        ]
        for request in requests:
            answer, _ = reading.answer(files, request, [os.dup(file.fileno())])
            if "code" in answer:
                raise RuntimeError(f"a sample cannot be read: {answer['detail']}")


class ReadingServer:
    """Fork server; kills reading processes whose clients have disconnected."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._connections: dict[int, socket.socket] = {}
        """Connections by the id of their reading process; kept open here to detect disconnects."""

    def run(self) -> None:
        awake, wake = os.pipe()
        os.set_blocking(awake, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process stops this one
        signal.set_wakeup_fd(wake)
        poll = select.poll()
        for descriptor in (_STDIN, self._listener.fileno(), awake):
            poll.register(descriptor, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if _STDIN in ready:
                break
            if awake in ready:
                os.read(awake, 4096)
                self._reap(poll)
            for process_id, connection in self._connections.items():
                if connection.fileno() in ready:
                    os.kill(process_id, signal.SIGKILL)
            if self._listener.fileno() in ready:
                self._accept(poll)
        for process_id in self._connections:
            os.kill(process_id, signal.SIGKILL)

    def _accept(self, poll: select.poll) -> None:
        connection, _ = self._listener.accept()
        process_id = os.fork()
        if process_id == 0:
            _run_reading_process(connection)
        self._connections[process_id] = connection
        # No events requested: POLLHUP is always reported.
        poll.register(connection, 0)

    def _reap(self, poll: select.poll) -> None:
        """Reap ended reading processes and close the connections to their clients."""
        while self._connections:
            process_id, _ = os.waitpid(-1, os.WNOHANG)
            if process_id == 0:
                return
            connection = self._connections.pop(process_id)
            poll.unregister(connection)
            connection.close()


def _run_reading_process(connection: socket.socket) -> None:
    """Close all descriptors but the connection, serve it, and exit; never returns."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        kept = 3
        os.dup2(connection.detach(), kept)
        os.closerange(kept + 1, _OPEN_FILES)
        with socket.socket(fileno=kept) as client:
            reading.serve(client)
        status = 0
    except (wire.BrokenMessageError, OSError):
        pass  # the client has disconnected
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
