"""The process that computes one attempt at one job, and ends with it.

It is spawned, not forked (CUDA does not survive a fork), so that the runner can end it at any moment and
everything it held comes back. It reads the database and writes blobs; the runner alone writes the database.
"""

import logging
import os
import signal
import sys
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

from models_store.blobs import Blobs
from models_store.errors import ClearScopeError
from models_store.repositories.job_lifecycle import Claim
from models_store.session import Database
from models_store.settings import Settings
from worker.checkpoints import BlobCheckpoints
from worker.context import JobContext
from worker.device import choose_device
from worker.engine.errors import EngineError
from worker.jobs.registry import run_handler
from worker.messages import Finished, Message, Progressed, Refused

logger = logging.getLogger(__name__)

EXIT_ORPHANED = 70
EXIT_UNEXPECTED = 71


def main(settings: Settings, claim: Claim, messages: Connection) -> None:
    """Compute one attempt. Its outcome is a message; an exit without one counts as a crash."""
    # Ctrl-C reaches the whole process group; the runner decides what becomes of this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="orphan-watch", daemon=True).start()
    database = Database(settings.resolved_database_url)
    blobs = Blobs(settings.resolved_blob_url)

    def send(message: Message) -> None:
        messages.send(message)

    context = JobContext(
        job_id=claim.job_id,
        attempt=claim.attempt,
        database=database,
        blobs=blobs,
        device=choose_device(settings.device),
        report=lambda fraction, status: send(Progressed(fraction, status)),
        checkpoints=BlobCheckpoints(blobs, claim.job_id, claim.attempt),
    )
    try:
        send(Finished(run_handler(context)))
    except (ClearScopeError, EngineError) as error:
        send(Refused(error.code, error.detail))
    except Exception:
        logger.exception("job %s, attempt %d: unexpected error", claim.job_id, claim.attempt)
        sys.exit(EXIT_UNEXPECTED)
    finally:
        database.dispose()
        messages.close()


def _end_with_parent() -> None:
    """End this process when the runner's has died: nobody waits for the result any more."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(EXIT_ORPHANED)
