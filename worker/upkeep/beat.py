"""The sweeper's clock: Celery beat, whose tasks are carried out where it runs."""

import signal
import threading
from datetime import datetime, timedelta
from typing import Any

from celery import Celery
from celery.beat import Scheduler, Service
from celery.schedules import schedstate, schedule

from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock, system_clock
from models_store.database.engines import Database
from models_store.errors import OutageError
from models_store.outbound.notices import SWEEP, Notices, make_celery
from models_store.settings import Settings
from worker.upkeep.periodic import run_periodically
from worker.upkeep.sweeper import Sweeper


class Interval(schedule):  # type: ignore[misc]  # Celery is not typed
    """Every so many seconds, also when the machine's clock was set back."""

    def is_due(self, last_run_at: datetime) -> schedstate:
        if self.maybe_make_aware(last_run_at) > self.now():
            return schedstate(is_due=True, next=self.seconds)
        return super().is_due(last_run_at)


class LocalScheduler(Scheduler):  # type: ignore[misc]  # Celery is not typed
    """Carries out what is due itself: sweeping waits behind no job, and goes on while Redis is away."""

    producer = None  # it would wait for Redis

    def apply_async(self, entry: Any, *_: Any, **__: Any) -> Any:  # noqa: ANN401  # Celery is not typed
        return self.app.tasks[entry.task].apply()


def beat(settings: Settings, clock: Clock = system_clock) -> None:
    """Sweep on schedule until a signal ends it. Raises SchemaMismatchError before it begins."""
    database = Database.of(settings)
    database.require_current()
    celery = make_celery(settings)
    sweeper = Sweeper(settings, database, Blobs.of(settings), clock, Notices(celery, database, clock))
    register_sweep(celery, sweeper)
    interval_s = settings.sweep_interval_s
    celery.conf.beat_schedule = {
        "sweep": {"task": SWEEP, "schedule": Interval(timedelta(seconds=interval_s), app=celery)}
    }
    service = Service(celery, max_interval=interval_s, scheduler_cls=LocalScheduler)
    stopping = threading.Event()
    # Clearing away may take minutes; jobs are not left unwatched so long.
    clearing = threading.Thread(
        target=lambda: run_periodically(sweeper.clear_away, stopping, interval_s=interval_s), daemon=True
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    clearing.start()
    service.start()
    stopping.set()


def register_sweep(celery: Celery, sweeper: Sweeper) -> None:
    """Let beat watch over jobs here."""

    @celery.task(name=SWEEP, throws=(OutageError,))  # type: ignore[untyped-decorator]  # Celery is not typed
    def sweep() -> None:
        sweeper.watch()
