"""`clearscope worker`, `beat` and `migrate`: the processes of a facility other than its servers."""

import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from models_store.contracts.vocabulary import Queue
from models_store.errors import InvalidRequestError
from models_store.settings import Settings
from models_store.telemetry.logs import set_up_logging

worker_commands = typer.Typer()


@worker_commands.command()
def worker(
    queue: Annotated[list[Queue], typer.Option(help="Queue to consume; may be repeated.")],
    metrics_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Expose Prometheus metrics on this port.")
    ] = None,
) -> None:
    """Run jobs one at a time until stopped; the running job is then returned to its queue."""
    settings = _settings_with_broker()
    if metrics_port is not None:
        settings = settings.model_copy(update={"metrics_port": metrics_port})
    if find_spec("torch") is None:
        # Fail at startup, not when the first job imports it.
        raise InvalidRequestError("torch is not installed; install it with: pip install 'clearscope[worker]'")
    from worker.processes.celery_app import work  # noqa: PLC0415  # other commands start faster without it

    sys.exit(work(settings, list(dict.fromkeys(queue))))


@worker_commands.command()
def beat() -> None:
    """Run periodic upkeep: recover jobs of lost workers, resend lost notices, delete orphaned data."""
    settings = _settings_with_broker()
    from worker.upkeep.beat import beat as sweep_on_schedule  # noqa: PLC0415  # other commands start faster without it

    sweep_on_schedule(settings)


@worker_commands.command()
def migrate() -> None:
    """Migrate the database to this version's schema; run it before starting servers and workers."""
    settings = Settings.load()
    set_up_logging(settings)
    from models_store.database.engines import Database  # noqa: PLC0415  # other commands start faster without it
    from models_store.database.schema import migrate as migrate_schema  # noqa: PLC0415  # as above

    migrate_schema(Database.of(settings))


def _settings_with_broker() -> Settings:
    settings = Settings.load()
    set_up_logging(settings)
    if not settings.broker_url:
        raise InvalidRequestError(
            "CLEARSCOPE_BROKER_URL is not set; set it to a Redis URL, or run `clearscope serve`, "
            "which embeds a worker"
        )
    return settings
