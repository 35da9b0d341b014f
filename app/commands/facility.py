"""`clearscope worker`, `beat` and `migrate`: what runs beside the server in a facility."""

import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from models_store.contracts.vocabulary import Queue
from models_store.database import schema
from models_store.database.engines import Database
from models_store.errors import InvalidRequestError
from models_store.settings import Settings
from models_store.telemetry.logs import set_up_logging

worker_commands = typer.Typer()


@worker_commands.command()
def worker(
    queue: Annotated[list[Queue], typer.Option(help="Take the jobs of this queue; may be given twice.")],
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve metrics for Prometheus on this port.")
    ] = None,
) -> None:
    """Take jobs, one at a time, until it is stopped; a job under way is handed back then."""
    settings = _settings_with_broker()
    if metrics_port is not None:
        settings = settings.model_copy(update={"metrics_port": metrics_port})
    if find_spec("torch") is None:
        # Now, not when the first job needs it.
        raise InvalidRequestError("torch is not installed; install it with: pip install 'clearscope[worker]'")
    from worker.processes.celery_app import work  # noqa: PLC0415  # other commands start faster without it

    sys.exit(work(settings, list(dict.fromkeys(queue))))


@worker_commands.command()
def beat() -> None:
    """Sweep on schedule: recover jobs of lost workers, send lost notices again, clear away leftovers."""
    settings = _settings_with_broker()
    from worker.upkeep.beat import beat as sweep_on_schedule  # noqa: PLC0415  # other commands start faster without it

    sweep_on_schedule(settings)


@worker_commands.command()
def migrate() -> None:
    """Bring the database to the schema of this version, before servers and workers of it are started."""
    settings = Settings.load()
    set_up_logging(settings)
    schema.migrate(Database.of(settings))


def _settings_with_broker() -> Settings:
    settings = Settings.load()
    set_up_logging(settings)
    if not settings.broker_url:
        raise InvalidRequestError(
            "CLEARSCOPE_BROKER_URL names no Redis; without one, `clearscope serve` has a worker inside"
        )
    return settings
