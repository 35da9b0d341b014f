"""A real server in a process of its own, that tests talk to over HTTP."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

CLEARSCOPE = str(Path(sys.executable).with_name("clearscope"))
START_LIMIT_S = 60.0


class ServerProcess:
    """`clearscope serve` on a free loopback port; may be killed and started again over the same data."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.with_suffix(".log")
        self._environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            **{f"CLEARSCOPE_{name.upper()}": value for name, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [CLEARSCOPE, "serve", "--port", str(self.port), "--data-dir", str(self.data_dir)],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        deadline_s = time.monotonic() + START_LIMIT_S
        while not self.is_alive():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")
            time.sleep(0.1)

    def is_alive(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").is_success
        except httpx.TransportError:
            return False

    def computing_processes(self) -> list[psutil.Process]:
        """The child processes in which jobs compute."""
        if self._process is None or self._process.poll() is not None:
            return []
        children = psutil.Process(self._process.pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(_command(child))]

    def kill(self) -> None:
        """End it as a power cut would."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an administrator would."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
