"""A real server in a process of its own, that tests talk to over HTTP."""

from pathlib import Path

import psutil

from demo import server
from demo.server import CLEARSCOPE

__all__ = ["CLEARSCOPE", "ServerProcess"]


class ServerProcess(server.ServerProcess):
    """`clearscope serve` with settings of the test's own, and a look at what it computes."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        own = {f"CLEARSCOPE_{name.upper()}": value for name, value in settings.items()}
        super().__init__(data_dir, {"OMP_NUM_THREADS": "1", **own})

    def computing_processes(self) -> list[psutil.Process]:
        """The child processes in which jobs compute: copies of a process that the server has made for it."""
        if self.pid is None:
            return []
        children = psutil.Process(self.pid).children(recursive=True)
        copied = [child for child in children if "forkserver" in " ".join(_command(child))]
        return [child for child in copied if child.ppid() != self.pid]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
