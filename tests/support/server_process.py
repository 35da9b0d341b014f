"""Real server process that tests access over HTTP."""

from pathlib import Path

import psutil

from demo import server
from demo.server import CLEARSCOPE

__all__ = ["CLEARSCOPE", "ServerProcess"]


class ServerProcess(server.ServerProcess):
    """`clearscope serve` with the test's settings; shows the processes that compute jobs."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        own = {f"CLEARSCOPE_{name.upper()}": value for name, value in settings.items()}
        super().__init__(data_dir, {"OMP_NUM_THREADS": "1", **own})

    def computing_processes(self) -> list[psutil.Process]:
        """Return the child processes that compute jobs: those that the server's fork server has forked."""
        if self.pid is None:
            return []
        children = psutil.Process(self.pid).children(recursive=True)
        forked = [child for child in children if "forkserver" in " ".join(_command(child))]
        return [child for child in forked if child.ppid() != self.pid]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
