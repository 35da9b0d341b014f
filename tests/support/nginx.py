"""nginx with the lines of docs/operations.md, without TLS and on a port of its own."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from demo.server import free_port

DOCUMENTED = Path(__file__).parents[2] / "docs" / "operations.md"
HOST = {"Host": "localhost"}


@contextmanager
def documented_proxy(folder: Path, heading: str, changes: Mapping[str, str]) -> Iterator[str]:
    """Run nginx with the first lines for it below a heading, some changed; yield its URL."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is missing: make services installs it")
    section = DOCUMENTED.read_text("utf-8").partition(f"## {heading}\n")[2]
    lines = re.findall(r"```nginx\n(.*?)```", section, re.DOTALL)[0]
    port = free_port()
    without_tls = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "http2 on;": "",
        "clearscope.example.org": "localhost",
    }
    for documented, used in {**without_tls, **changes}.items():
        assert documented in lines
        lines = lines.replace(documented, used)
    temporary = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;\n"
        f"events {{}}\nhttp {{ access_log off;\nmap_hash_bucket_size 256;\n{temporary}\n{lines}\n}}\n"
    )
    process = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(path)], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_it_answers(url, process, folder / "error.log")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + 30
    while True:
        try:
            httpx.get(f"{url}/healthz", headers=HOST)
        except httpx.TransportError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        else:
            return
