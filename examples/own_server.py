"""A server of the example's own: `clearscope serve` on a free port, with its data in a folder."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

START_LIMIT_S = 60.0


@contextmanager
def own_server(data_dir: Path) -> Iterator[str]:
    """Start a server with a worker, yield its URL, and stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("clearscope")), "serve"]
    log = data_dir.with_suffix(".log")
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--data-dir", str(data_dir)],
            stdout=output,
            stderr=output,
            env=os.environ,
        )
    try:
        give_up_s = time.monotonic() + START_LIMIT_S
        while not _is_alive(url):
            assert server.poll() is None, log.read_text("utf-8")
            assert time.monotonic() < give_up_s, f"the server did not answer within {START_LIMIT_S} s"
            time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait()


def _is_alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").is_success
    except httpx.TransportError:
        return False
