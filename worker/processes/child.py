"""The child process that computes attempts at jobs, one at a time.

A separate process (see `worker.processes.job_processes`), so that the runner can kill it at any moment and
all its memory is freed. It reads the database and writes blobs; only the runner writes to the database.
"""

import gc
import logging
import os
import signal
import sys
import tempfile
import threading
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait

from models_store.contracts.outcomes import Outcome
from models_store.contracts.prediction_specs import PredictSpec
from models_store.database.engines import Database
from models_store.errors import ClearScopeError, DeviceUnavailableError, StorageFullError, UnavailableError
from models_store.image_files.isolation.client import Isolation
from models_store.repositories.jobs.lifecycle import Claim
from models_store.settings import Settings
from models_store.telemetry.logs import logging_context, set_up_logging
from models_store.telemetry.traces import Tracing, set_up_tracing
from worker.attempt.messages import (
    Crashed,
    Finished,
    Interrupted,
    Message,
    Progressed,
    Refused,
    Taken,
    Warned,
)
from worker.engine.errors import EngineError
from worker.processes.attempt_telemetry import log_fields
from worker.processes.compile_cache import keep_compiled_programs

logger = logging.getLogger(__name__)

EXIT_ORPHANED = 70
EXIT_UNEXPECTED = 71

KEPT_FOR: str = PredictSpec.model_fields["kind"].default
"""Kind of the attempts that a child waits for: others get a new process, and all the memory."""
_OF_THE_PRETRAINED = {"pretrained", "pretrained_stack"}

KEPT_S = 60.0
"""Time for which a child waits for another attempt; it keeps some 200 MB, and a context of the GPU."""
_MARGIN_S = 30.0
_MOST_ATTEMPTS = 100


@dataclass(frozen=True)
class Assignment:
    """An attempt for a child, and a folder for its temporary files."""

    claim: Claim
    temporary_folder: str


def main(settings: Settings, runner: Connection, isolation: Isolation) -> None:
    """Compute the attempts that the runner sends, as long as each leaves the process as it was.

    The outcome of each is sent as a message; an exit without one counts as a crash.
    """
    # Ctrl-C reaches the whole process group; the runner decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_compiled_programs()
    threading.Thread(target=_end_with_parent, name="orphan-watch", daemon=True).start()
    set_up_logging(settings)
    database = Database.of(settings)
    try:
        for done in range(1, _MOST_ATTEMPTS + 1):
            # The runner takes no child that has waited for longer than `KEPT_S`.
            if not runner.poll(KEPT_S + _MARGIN_S):
                return
            assignment: Assignment = runner.recv()
            if done > 1:
                runner.send(Taken())
            tempfile.tempdir = assignment.temporary_folder
            with logging_context(**log_fields(assignment.claim)):
                computing = Computing(settings, assignment.claim, runner, isolation, database)
                if not computing.compute_and_report(may_stay=done < _MOST_ATTEMPTS):
                    return
            _let_go_of_memory()
    except (EOFError, BrokenPipeError):
        return
    finally:
        runner.close()


@dataclass(frozen=True)
class Computing:
    """An attempt that is computed in this process."""

    settings: Settings
    claim: Claim
    messages: Connection
    isolation: Isolation
    database: Database

    def compute_and_report(self, *, may_stay: bool = False) -> bool:
        """Compute the attempt and send its outcome as the last message; return whether the process stays."""
        claim, tracing = self.claim, set_up_tracing(self.settings, "clearscope-worker")
        stays = False
        try:
            try:
                with tracing.span(f"compute {claim.kind}", parent=claim.trace):
                    outcome = self._compute(tracing)
            finally:
                # Before the last message, after which the runner may kill this process.
                tracing.close()
                self.database.dispose()
            stays = may_stay and _leaves_no_trace(claim, outcome)
            self._send(Finished(outcome, stays))
        except UnavailableError as error:
            self._send(Interrupted(error.detail))
        except (DeviceUnavailableError, StorageFullError) as error:
            # Specific to this machine or moment: a retry may succeed.
            self._send(Crashed(error.detail))
        except (ClearScopeError, EngineError) as error:
            self._send(Refused(error.code, error.detail))
        except Exception as error:
            logger.exception("job %s, attempt %d: unexpected error", claim.job_id, claim.attempt)
            self._send(Crashed(f"{type(error).__name__}: {error}"))
            sys.exit(EXIT_UNEXPECTED)
        return stays

    def _compute(self, tracing: Tracing) -> Outcome:
        # Imported here, so that the worker process never loads torch.
        from worker.attempt.context import open_context  # noqa: PLC0415
        from worker.jobs.handlers import run_handler  # noqa: PLC0415

        def report(fraction: float, status: str) -> None:
            self._send(Progressed(fraction, status))

        def warn(text: str) -> None:
            self._send(Warned(text))

        with open_context(
            self.settings, self.claim, self.isolation, report, warn, tracing, self.database
        ) as context:
            try:
                return run_handler(context)
            finally:
                self._send(context.used())

    def _send(self, message: Message) -> None:
        self.messages.send(message)


def _leaves_no_trace(claim: Claim, outcome: Outcome) -> bool:
    """Return whether the next attempt would compute as in a new process.

    The pretrained network's predictions with a noise model of the registry compile no programs, whose choice
    depends on what was compiled before, and need no memory that would be missed later.
    """
    chosen = outcome.result.get("estimate")
    return claim.kind == KEPT_FOR and outcome.noise_model is None and chosen in _OF_THE_PRETRAINED


def _let_go_of_memory() -> None:
    import torch  # noqa: PLC0415  # see `Computing`

    gc.collect()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch's
        torch.cuda.empty_cache()
        for index in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(index)


def _end_with_parent() -> None:
    """Exit when the runner's process has died, because nobody waits for the result."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(EXIT_ORPHANED)
