"""What Celery calls: a task is a job's id and a line or two."""

from celery import Celery
from celery.exceptions import Reject

from models_store.errors import OutageError
from models_store.outbound.notices import RUN_JOB, SWEEP
from worker.processes.runner import Runner
from worker.upkeep.sweeper import Sweeper


def register_run_job(celery: Celery, runner: Runner) -> None:
    """Let notices of jobs run them here."""

    @celery.task(name=RUN_JOB)  # type: ignore[untyped-decorator]  # Celery is not typed
    def run_job(job_id: str) -> None:
        if runner.stopping.is_set():
            raise Reject("this worker is stopping; another one takes the notice", requeue=True)
        runner.run(job_id)


def register_sweep(celery: Celery, sweeper: Sweeper) -> None:
    """Let beat watch over jobs here."""

    @celery.task(name=SWEEP, throws=(OutageError,))  # type: ignore[untyped-decorator]  # Celery is not typed
    def sweep() -> None:
        sweeper.watch()
