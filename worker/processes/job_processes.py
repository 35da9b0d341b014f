"""How the processes come about in which jobs compute."""

import multiprocessing
from functools import cache
from multiprocessing.context import ForkServerContext

# Everything that a job's process needs to have loaded; it takes seconds, mostly for torch.
LOADED_ONCE = ["worker.processes.child", "worker.attempt.context", "worker.jobs.handlers"]


@cache
def job_processes() -> ForkServerContext:
    """Give the context that makes them: copies of a clean process that has loaded everything once.

    CUDA does not survive a fork, so that process never touches it, and never computes: it only forks. The
    first call waits until it has loaded: call it before claiming a job, for no lease is renewed meanwhile.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED_ONCE)
    first = context.Process(target=_nothing, daemon=True)
    first.start()
    first.join()
    return context


def _nothing() -> None:
    """Be copied."""
