"""The forkserver context that starts job processes."""

import multiprocessing
from functools import cache
from multiprocessing.context import ForkServerContext


@cache
def job_processes() -> ForkServerContext:
    """Return the fork server context; job processes are forks of a clean process with preloaded modules.

    CUDA does not survive a fork, so the fork server never initialises it, and never computes. The first call
    blocks until the modules are loaded: call it before claiming a job, because no lease is renewed meanwhile.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["worker.processes.preload"])
    first = context.Process(target=_no_op, daemon=True)
    first.start()
    first.join()
    return context


def _no_op() -> None:
    """Do nothing: starting a process waits for the fork server to load."""
