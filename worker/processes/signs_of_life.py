"""Worker heartbeat: records periodically that the worker is alive, its queues and its device."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from models_store.contracts.vocabulary import Queue
from models_store.errors import OutageError
from models_store.repositories.jobs.leases import store_time
from models_store.repositories.jobs.workers import forget, record_sign_of_life
from worker.processes.runner import Runner
from worker.upkeep.periodic import run_periodically

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SignsOfLife:
    """Background thread that records a worker's heartbeat."""

    runner: Runner
    queues: Sequence[Queue]
    works: Callable[[], bool] = lambda: True
    """Returns whether the thread that runs jobs is still alive."""

    @contextmanager
    def given(self) -> Iterator[None]:
        """Record heartbeats while the block runs, then remove the worker's row."""
        ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(ended,), name="signs-of-life", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._forget()

    def _run(self, ended: threading.Event) -> None:
        run_periodically(self._check_and_record, ended, interval_s=self.runner.settings.sign_of_life_s)

    def _check_and_record(self) -> None:
        device = self.runner.device
        # While a job computes, its own success or failure shows the state of the device.
        if device.age_s > self.runner.settings.device_check_s and not self.runner.busy.is_set():
            device.recheck()
        if self.works():
            self._record()

    def _record(self) -> None:
        job_store, state = self.runner.job_store, self.runner.device.state()
        with job_store.database.write() as session:
            record_sign_of_life(
                session,
                job_store.worker,
                store_time(session, job_store.clock),
                queues=self.queues,
                device=state.device,
                device_error=state.error,
                gpu_memory_bytes=state.memory_bytes,
            )

    def _forget(self) -> None:
        job_store = self.runner.job_store
        try:
            with job_store.database.write() as session:
                forget(session, job_store.worker)
        except OutageError as outage:
            logger.warning("this worker's row remains until it expires: %s", outage.detail)
