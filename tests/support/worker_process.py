"""Facility of processes: server, workers and a sweeper on one database, one Redis and one folder."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import httpx
import psutil

from tests.support.databases import migrate_database
from tests.support.server_process import CLEARSCOPE, ServerProcess

STOP_LIMIT_S = 60.0


class CommandProcess:
    """`clearscope` command that runs until it is stopped; its output is kept."""

    def __init__(self, command: Sequence[str], log: Path, environment: dict[str, str]) -> None:
        self.name = command[1]
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        self.pid = self._process.pid

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> int:
        """Stop it as an administrator would; return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it, as a power failure would."""
        self._end(signal.SIGKILL)

    def wait(self) -> int:
        """Wait until it has ended; return its exit code."""
        return self._process.wait(STOP_LIMIT_S)

    def freeze(self) -> None:
        """Suspend it, but not the processes it has started."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def freeze_all(self) -> None:
        """Suspend it and all processes it has started."""
        self.freeze()
        for process in psutil.Process(self.pid).children(recursive=True):
            process.suspend()

    def thaw_all(self) -> None:
        for process in psutil.Process(self.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        self.thaw()

    def _end(self, how: signal.Signals) -> int:
        if self.is_running:
            self._process.send_signal(how)
            self._process.send_signal(signal.SIGCONT)
        return self._process.wait(STOP_LIMIT_S)


def clock_ahead(offset: str) -> dict[str, str]:
    """Return the environment of a process whose clock is off by `offset` (+2h)."""
    library = subprocess.run(
        ["faketime", "-f", "+0s", "printenv", "LD_PRELOAD"], check=True, capture_output=True, text=True
    )
    return {"LD_PRELOAD": library.stdout.strip(), "FAKETIME": offset}


class Facility:
    """A server, and the workers and sweepers that a test starts; closing it stops them all."""

    def __init__(self, folder: Path, database_url: str, broker_url: str, **settings: str) -> None:
        own = {
            "database_url": database_url,
            "broker_url": broker_url,
            # Short, so that tests need not wait; long enough for a busy machine.
            "lease_s": "5",
            "sweep_interval_s": "0.5",
            "renotify_s": "4",
            "sign_of_life_s": "1",
            **settings,
        }
        self.folder = folder
        self.data_dir = folder / "data"
        self.data_dir.mkdir(parents=True)
        self.server = ServerProcess(self.data_dir, **own)
        self.environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            **{f"CLEARSCOPE_{name.upper()}": value for name, value in own.items()},
            "CLEARSCOPE_DATA_DIR": str(self.data_dir),
        }
        self._processes: list[CommandProcess] = []

    def start(self) -> None:
        """Migrate the database and start the server, without any worker."""
        self.migrate()
        self.server.start()

    def migrate(self) -> None:
        migrate_database(self.environment["CLEARSCOPE_DATABASE_URL"])

    def api(self) -> httpx.Client:
        return httpx.Client(base_url=self.server.url, timeout=60)

    def worker(
        self, *queues: str, environment: Mapping[str, str] = MappingProxyType({}), **settings: str
    ) -> CommandProcess:
        """Start a worker for these queues, by default both."""
        options = [option for queue in queues or ("gpu", "cpu") for option in ("--queue", queue)]
        own = {f"CLEARSCOPE_{name.upper()}": value for name, value in settings.items()}
        return self._start("worker", ["worker", *options], {**environment, **own})

    def beat(self, environment: Mapping[str, str] = MappingProxyType({})) -> CommandProcess:
        return self._start("beat", ["beat"], environment)

    def blob_keys(self, prefix: str) -> list[str]:
        """List the blobs under a prefix."""
        blobs = self.data_dir / "blobs"
        return sorted(str(path.relative_to(blobs)) for path in (blobs / prefix).rglob("*") if path.is_file())

    def live_workers(self, count: int) -> list[CommandProcess]:
        """Return this many running workers for both queues; start those that are missing."""
        alive = [process for process in self._processes if process.name == "worker" and process.is_running]
        return [*alive, *(self.worker() for _ in range(count - len(alive)))]

    def kill_workers(self) -> None:
        """Kill all workers; sweepers keep running."""
        for process in self._processes:
            if process.name == "worker":
                process.kill()

    def migration(self, **settings: str) -> CommandProcess:
        """Start migrating a database."""
        own = {f"CLEARSCOPE_{name.upper()}": value for name, value in settings.items()}
        return self._start("migrate", ["migrate"], own)

    def refused(self, *command: str, **settings: str) -> str:
        """Run a command that must refuse to start; return its error output."""
        own = {f"CLEARSCOPE_{name.upper()}": value for name, value in settings.items()}
        ended = subprocess.run(
            [CLEARSCOPE, *command],
            env={**self.environment, **own},
            check=False,
            capture_output=True,
            text=True,
            timeout=STOP_LIMIT_S,
        )
        assert ended.returncode == 1, ended.stderr
        return ended.stderr

    def close(self) -> None:
        for process in self._processes:
            process.kill()
        self.server.stop()

    def _start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> CommandProcess:
        log = self.folder / f"{name}-{len(self._processes)}.log"
        process = CommandProcess([CLEARSCOPE, *command], log, {**self.environment, **environment})
        self._processes.append(process)
        return process
