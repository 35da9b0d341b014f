"""Server with API keys, and clients that send them."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.support.server_process import CLEARSCOPE, ServerProcess


def clearscope_keys(server: ServerProcess, *arguments: str, code: int = 0) -> str:
    """Run `clearscope keys` on the server's database; return its output."""
    done = subprocess.run(
        [CLEARSCOPE, "keys", *arguments, "--data-dir", str(server.data_dir)],
        capture_output=True,
        text=True,
        check=False,
        env={**server._environment, "COLUMNS": "200"},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def make_key(server: ServerProcess, name: str, *options: str) -> str:
    return clearscope_keys(server, "create", name, *options).strip()


@contextmanager
def client(server: ServerProcess, key: str | None = None) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {key}"} if key else None
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as api:
        yield api
