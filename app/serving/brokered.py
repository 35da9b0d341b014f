"""Server of a facility; separate workers run its jobs, notified through a broker."""

from fastapi import FastAPI

from app.main import create_app
from app.serving.gathered_notices import GatheredNotices
from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock, system_clock
from models_store.database.engines import Database
from models_store.database.schema import require_current_schema
from models_store.image_files.isolation.launch import ReadingService
from models_store.outbound.notices import Notices, make_celery
from models_store.settings import Settings
from models_store.telemetry.traces import set_up_tracing


def create_brokered_app(settings: Settings, clock: Clock = system_clock) -> FastAPI:
    """Create one of any number of servers that share a database.

    Raises SchemaMismatchError if the database is not migrated. Servers do not migrate it themselves: during
    a rolling upgrade, the old version may still be using it.
    """
    database = Database.of(settings)
    require_current_schema(database)
    reading = ReadingService()
    notices = GatheredNotices(Notices(make_celery(settings), database, clock))
    return create_app(
        settings,
        database=database,
        blobs=Blobs.of(settings),
        isolation=reading.isolation,
        dispatcher=notices,
        clock=clock,
        alongside=[reading.running(), notices.sending()],
        tracing=set_up_tracing(settings, "clearscope"),
    )
