"""The child process that computes one attempt at one job.

A separate process (see `worker.processes.job_processes`), so that the runner can kill it at any moment and
all its memory is freed. It reads the database and writes blobs; only the runner writes to the database.
"""

import logging
import os
import signal
import sys
import tempfile
import threading
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

from models_store.contracts.outcomes import Outcome
from models_store.errors import ClearScopeError, DeviceUnavailableError, StorageFullError, UnavailableError
from models_store.image_files.isolation.client import Isolation
from models_store.repositories.jobs.lifecycle import Claim
from models_store.settings import Settings
from models_store.telemetry.logs import logging_context, set_up_logging
from models_store.telemetry.traces import Tracing, set_up_tracing
from worker.attempt.messages import Crashed, Finished, Interrupted, Message, Progressed, Refused, Warned
from worker.engine.errors import EngineError
from worker.processes.attempt_telemetry import log_fields
from worker.processes.compile_cache import keep_compiled_programs

logger = logging.getLogger(__name__)

EXIT_ORPHANED = 70
EXIT_UNEXPECTED = 71


def main(
    settings: Settings, claim: Claim, messages: Connection, temporary_folder: str, isolation: Isolation
) -> None:
    """Compute one attempt and send its outcome as a message; an exit without one counts as a crash."""
    # Ctrl-C reaches the whole process group; the runner decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_compiled_programs()
    tempfile.tempdir = temporary_folder
    threading.Thread(target=_end_with_parent, name="orphan-watch", daemon=True).start()
    set_up_logging(settings)
    with logging_context(**log_fields(claim)):
        compute_and_report(settings, claim, messages, isolation)


def compute_and_report(settings: Settings, claim: Claim, messages: Connection, isolation: Isolation) -> None:
    """Compute one attempt in this process and send its outcome as the last message."""
    tracing = set_up_tracing(settings, "clearscope-worker")
    try:
        try:
            with tracing.span(f"compute {claim.kind}", parent=claim.trace):
                outcome = _compute(settings, claim, messages, isolation, tracing)
        finally:
            # Before the last message, after which the runner kills this process.
            tracing.close()
        _send(messages, Finished(outcome))
    except UnavailableError as error:
        _send(messages, Interrupted(error.detail))
    except (DeviceUnavailableError, StorageFullError) as error:
        # Specific to this machine or moment: a retry may succeed.
        _send(messages, Crashed(error.detail))
    except (ClearScopeError, EngineError) as error:
        _send(messages, Refused(error.code, error.detail))
    except Exception as error:
        logger.exception("job %s, attempt %d: unexpected error", claim.job_id, claim.attempt)
        _send(messages, Crashed(f"{type(error).__name__}: {error}"))
        sys.exit(EXIT_UNEXPECTED)
    finally:
        messages.close()


def _compute(
    settings: Settings, claim: Claim, messages: Connection, isolation: Isolation, tracing: Tracing
) -> Outcome:
    # Imported here, so that the worker process never loads torch.
    from worker.attempt.context import open_context  # noqa: PLC0415
    from worker.jobs.handlers import run_handler  # noqa: PLC0415

    def report(fraction: float, status: str) -> None:
        _send(messages, Progressed(fraction, status))

    def warn(text: str) -> None:
        _send(messages, Warned(text))

    with open_context(settings, claim, isolation, report, warn, tracing) as context:
        try:
            return run_handler(context)
        finally:
            _send(messages, context.used())


def _send(messages: Connection, message: Message) -> None:
    messages.send(message)


def _end_with_parent() -> None:
    """Exit when the runner's process has died, because nobody waits for the result."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(EXIT_ORPHANED)
