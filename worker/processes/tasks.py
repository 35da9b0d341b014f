"""The Celery task that runs a job by its id."""

from celery import Celery
from celery.exceptions import Reject

from models_store.outbound.notices import RUN_JOB
from worker.processes.runner import Runner


def register_run_job(celery: Celery, runner: Runner) -> None:
    """Register the task that runs jobs in this worker."""

    @celery.task(name=RUN_JOB)  # type: ignore[untyped-decorator]  # Celery is not typed
    def run_job(job_id: str) -> None:
        if runner.stopping.is_set():
            raise Reject("this worker is stopping; the notice is requeued for another one", requeue=True)
        runner.run(job_id)
