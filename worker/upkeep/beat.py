"""The sweeper as a separate process, for deployments with several servers and workers."""

import signal
import threading

from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock, system_clock
from models_store.database.engines import Database
from models_store.database.schema import require_current_schema
from models_store.outbound.notices import Notices, make_celery
from models_store.settings import Settings
from worker.upkeep.periodic import in_threads
from worker.upkeep.sweeper import Sweeper


def beat(settings: Settings, clock: Clock = system_clock) -> None:
    """Sweep periodically until SIGTERM or SIGINT. Raises SchemaMismatchError at start-up."""
    database = Database.of(settings)
    require_current_schema(database)
    notices = Notices(make_celery(settings), database, clock)
    sweeper = Sweeper(settings, database, Blobs.of(settings), clock, notices)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with in_threads(sweeper.rounds, stopping, interval_s=settings.sweep_interval_s):
        stopping.wait()
    database.dispose()
