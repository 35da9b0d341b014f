"""Real server process that tests access over HTTP."""

from pathlib import Path

import psutil

from demo import server
from demo.server import CLEARSCOPE
from models_store.settings import Settings
from tests.support.databases import migrate_database

__all__ = ["CLEARSCOPE", "ServerProcess", "server_without_worker"]


class ServerProcess(server.ServerProcess):
    """`clearscope serve` with the test's settings; shows the processes that compute jobs."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        own = {f"CLEARSCOPE_{name.upper()}": value for name, value in settings.items()}
        # Beside other tests, a server may take longer to read a file than it allows by default.
        patient = {"OMP_NUM_THREADS": "1", "CLEARSCOPE_INSPECTION_TIMEOUT_S": "60"}
        super().__init__(data_dir, patient | own)

    def computing_processes(self) -> list[psutil.Process]:
        """Return the child processes that compute jobs: those that the server's fork server has forked."""
        if self.pid is None:
            return []
        children = psutil.Process(self.pid).children(recursive=True)
        forked = [child for child in children if "forkserver" in " ".join(_command(child))]
        return [child for child in forked if child.ppid() != self.pid]


def server_without_worker(data_dir: Path, broker_url: str, **settings: str) -> ServerProcess:
    """Return a server, not yet started, whose jobs stay queued: no worker is there to take them."""
    data_dir.mkdir(parents=True)
    given = Settings(data_dir=data_dir, database_url=settings.get("database_url", ""))
    migrate_database(given.resolved_database_url)
    return ServerProcess(data_dir, broker_url=broker_url, **settings)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
