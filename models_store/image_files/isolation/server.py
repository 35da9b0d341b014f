"""The process that forks a reading process for each connection: it has loaded all that reading takes.

Run as `python -m models_store.image_files.isolation.server SOCKET`. It never reads a stranger's file itself.
It ends when its standard input does; a reading process ends when its client hangs up.
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
from models_store.image_files.isolation.lockdown import seccomp_complaint
from models_store.image_files.tiff.codecs import load_codecs

_BACKLOG = 128
_OPEN_FILES = 4096
_STDIN = 0


def main() -> None:
    allow_open_files()
    load_codecs()
    seccomp_complaint()  # loads the library
    read_samples()
    gc.freeze()  # what is loaded by now stays shared with the forks
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen(_BACKLOG)
        ReadingServer(listener).run()


def allow_open_files() -> None:
    """Let each reading process hold the files of a job with a thousand images: usual is 1024 in all."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _OPEN_FILES if most == resource.RLIM_INFINITY else min(most, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


def read_samples() -> None:
    """Read a file of each kind once, so that whatever is loaded when it is first needed is loaded now."""
    planes = np.arange(2 * 16 * 16, dtype=np.uint16).reshape(2, 16, 16)
    kinds = ({"imagej": True}, {"ome": True}, {"metadata": {"axes": "ZYX"}}, {"metadata": None})
    for options in kinds:
        with tempfile.TemporaryFile() as file, ExitStack() as stack:
            content = io.BytesIO()
            tifffile.imwrite(content, planes, photometric="minisblack", **options)
            file.write(content.getvalue())
            file.flush()
            files = reading.Files(stack)
            requests: list[dict[str, Any]] = [
                {"do": "inspect", "limits": asdict(DEFAULT_LIMITS)},
                {"do": "survey", "file": 0},
                {"do": "result_format", "file": 0, "dtype": "float32"},
            ]
            for request in requests:
                answer, _ = reading.answer(files, request, [os.dup(file.fileno())])
                if "code" in answer:
                    raise RuntimeError(f"a sample cannot be read: {answer['detail']}")


class ReadingServer:
    """Forks reading processes, and ends those whose clients have hung up."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._connections: dict[int, socket.socket] = {}
        """By the id of the process that serves it; kept open to notice when its client hangs up."""

    def run(self) -> None:
        awake, wake = os.pipe()
        os.set_blocking(awake, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process ends it
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
                self._bury(poll)
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
            _become_a_reading_process(connection)
        self._connections[process_id] = connection
        # No events: that the client has hung up is always told.
        poll.register(connection, 0)

    def _bury(self, poll: select.poll) -> None:
        """Hang up on the clients of reading processes that have ended."""
        while self._connections:
            process_id, _ = os.waitpid(-1, os.WNOHANG)
            if process_id == 0:
                return
            connection = self._connections.pop(process_id)
            poll.unregister(connection)
            connection.close()


def _become_a_reading_process(connection: socket.socket) -> None:
    """Keep the connection and nothing else that is open here; never return."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nowhere, descriptor)
        only = 3
        os.dup2(connection.detach(), only)
        os.closerange(only + 1, _OPEN_FILES)
        with socket.socket(fileno=only) as alone:
            reading.serve(alone)
        status = 0
    except (wire.BrokenMessageError, OSError):
        pass  # its client has gone
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
