"""Private server process: `clearscope serve` on a free loopback port."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

CLEARSCOPE = str(Path(sys.executable).with_name("clearscope"))
START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0


class ServerProcess:
    """Server process that can be stopped or killed, and restarted with the same data."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.with_suffix(".log")
        self.start_limit_s = START_LIMIT_S
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def setting(self, name: str) -> str:
        """Return the value of a setting that the server gets from its environment."""
        return self._environment[f"CLEARSCOPE_{name.upper()}"]

    @property
    def pid(self) -> int | None:
        """Process id; None if the server is not running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start the server and wait until it responds. Raises RuntimeError with its log if it does not."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [CLEARSCOPE, "serve", "--port", str(self.port), "--data-dir", str(self.data_dir)],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        deadline_s = time.monotonic() + self.start_limit_s
        while not self.is_alive():
            if self.pid is None or time.monotonic() > deadline_s:
                raise RuntimeError(f"the server did not start:\n{self.log.read_text(encoding='utf-8')}")
            time.sleep(0.1)

    def is_alive(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """Terminate gracefully (SIGTERM)."""
        self._send_and_wait(signal.SIGTERM)

    def kill(self) -> None:
        """Kill without warning (SIGKILL), as a power cut would."""
        self._send_and_wait(signal.SIGKILL)

    def _send_and_wait(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(STOP_LIMIT_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
