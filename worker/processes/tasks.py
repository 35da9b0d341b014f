"""What Celery calls: a task is a job's id and a line or two."""

from celery import Celery
from celery.exceptions import Reject

from models_store.outbound.notices import RUN_JOB
from worker.processes.runner import Runner


def register_run_job(celery: Celery, runner: Runner) -> None:
    """Let notices of jobs run them here."""

    @celery.task(name=RUN_JOB)  # type: ignore[untyped-decorator]  # Celery is not typed
    def run_job(job_id: str) -> None:
        if runner.stopping.is_set():
            raise Reject("this worker is stopping; another one takes the notice", requeue=True)
        runner.run(job_id)
