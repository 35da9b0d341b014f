"""A server with API keys, and clients that show them."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.server_process import CLEARSCOPE, ServerProcess

PATIENCE_S = 60.0


def clearscope_keys(server: ServerProcess, *arguments: str, code: int = 0) -> str:
    """Run `clearscope keys` on the server's database; give what it prints."""
    done = subprocess.run(
        [CLEARSCOPE, "keys", *arguments, "--data-dir", str(server.data_dir)],
        capture_output=True,
        text=True,
        check=False,
        env={**server._environment, "COLUMNS": "200"},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def migrate(server: ServerProcess) -> None:
    environment = {**server._environment, "CLEARSCOPE_DATA_DIR": str(server.data_dir)}
    subprocess.run([CLEARSCOPE, "migrate"], check=True, env=environment)


def make_key(server: ServerProcess, name: str, *options: str) -> str:
    return clearscope_keys(server, "create", name, *options).strip()


@contextmanager
def client(server: ServerProcess, key: str | None = None) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {key}"} if key else None
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as api:
        yield api


def wait_for_status(api: httpx.Client, path: str, status: int) -> httpx.Response:
    """Ask until the answer has this status: what is said of keys is remembered for a moment."""
    deadline_s = time.monotonic() + PATIENCE_S
    while (answer := api.get(path)).status_code != status:
        assert time.monotonic() < deadline_s, f"{path}: {answer.status_code} {answer.text}"
        time.sleep(0.1)
    return answer


def problem(answer: httpx.Response, status: int, code: str) -> str:
    """Check that an answer is this problem; give its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"urn:clearscope:problem:{code}"
    return str(document["detail"])
