"""Redis, PostgreSQL and an S3 store for tests: real processes on private ports."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import botocore.exceptions
import psutil
import psycopg
import redis

from demo.server import free_port

START_LIMIT_S = 60.0
STOP_LIMIT_S = 30.0


class ServiceProcess:
    """Process that can be stopped, killed, frozen and restarted on the same port."""

    def __init__(self, command: list[str], folder: Path, *, user: str | None = None) -> None:
        self.folder = folder
        self._command = command
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, answers: Callable[[], bool]) -> None:
        log_path = self.folder / "service.log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.folder, stdout=log, stderr=log, user=self._user, group=self._user
            )
        deadline_s = time.monotonic() + START_LIMIT_S
        while not answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"{self._command[0]} did not start:\n{log_path.read_text('utf-8')}")
            time.sleep(0.05)

    def end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(STOP_LIMIT_S)

    def freeze(self) -> None:
        """Suspend it: it neither answers nor refuses connections until it is thawed."""
        for process in self._family():
            process.suspend()

    def thaw(self) -> None:
        for process in self._family():
            process.resume()

    def _family(self) -> list[psutil.Process]:
        """Return the process and its children, which serve connections."""
        if self._process is None:
            return []
        process = psutil.Process(self._process.pid)
        return [process, *process.children(recursive=True)]


class Redis:
    """Redis without persistence: stopping it loses all its data."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = ServiceProcess(
            [
                "redis-server",
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
            ],
            folder,
        )

    def start(self) -> None:
        self.process.start(self._answers)

    def stop(self) -> None:
        self.process.end(signal.SIGKILL)

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


class Postgres:
    """PostgreSQL cluster in a temporary folder; `create_database` returns the URL of a new database."""

    def __init__(self) -> None:
        self.port = free_port()
        # Not in pytest's folders, which only their owner can read.
        folder = Path(tempfile.mkdtemp(prefix="clearscope-postgres-"))
        self._programs = _postgres_programs()
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.getuid() == 0 else None
        self._folder = folder
        if self._user:
            shutil.chown(folder, self._user, self._user)
        self._run("initdb", "-D", "cluster", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.process = ServiceProcess(
            [
                str(self._programs / "postgres"),
                *("-D", "cluster", "-p", str(self.port), "-h", "127.0.0.1", "-k", str(folder)),
                *("-c", "max_connections=200", "-c", "shared_buffers=64MB"),
                # The machine does not fail here, and a final sync to disk may take minutes.
                *("-c", "fsync=off"),
            ],
            folder,
            user=self._user,
        )

    def start(self) -> None:
        self.process.start(self._answers)

    def stop(self) -> None:
        """Close all connections and stop (fast shutdown), as for a restart of its machine."""
        self.process.end(signal.SIGINT)

    def remove(self) -> None:
        # Immediate shutdown: its files are deleted anyway.
        self.process.end(signal.SIGQUIT)
        shutil.rmtree(self._folder)

    def create_database(self, name: str) -> str:
        with self._connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            cwd=self._folder,
            user=self._user,
            group=self._user,
            check=True,
            capture_output=True,
        )


class S3:
    """S3-compatible store (moto) that keeps its objects in memory."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.process = ServiceProcess(
            [
                str(Path(sys.executable).with_name("moto_server")),
                *("-H", "127.0.0.1", "-p", str(self.port)),
            ],
            folder,
        )

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that a process needs to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def start(self) -> None:
        self.process.start(self._answers)

    def stop(self) -> None:
        self.process.end(signal.SIGKILL)

    def create_bucket(self, name: str) -> str:
        self._client().create_bucket(Bucket=name)
        return f"s3://{name}"

    def _client(self) -> "boto3.client":
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106  # moto accepts any
        )

    def _answers(self) -> bool:
        try:
            self._client().list_buckets()
        except botocore.exceptions.BotoCoreError:
            return False
        return True


def _postgres_programs() -> Path:
    """Find PostgreSQL's programs, which Debian keeps outside of PATH, in one folder per version."""
    if versions := sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return versions[-1].parent
    if found := shutil.which("initdb"):
        return Path(found).parent
    raise RuntimeError("PostgreSQL is not installed; `make test` installs it")
