"""`clearscope serve`: the API on a port, by one process or several."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.extras import needing
from app.commands.keys import require_keys
from app.serving.gc_tuning import freeze_startup_objects
from models_store.settings import Settings
from models_store.telemetry.logs import set_up_logging

if TYPE_CHECKING:
    from fastapi import FastAPI

serve_command = typer.Typer()


# So long may a request that is under way keep a stopped server alive.
GRACEFUL_SHUTDOWN_S = 5


KEEP_ALIVE_S = 75


@serve_command.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where images, models and results are kept.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many processes answer; several need CLEARSCOPE_BROKER_URL.")
    ] = None,
) -> None:
    """Serve the API, with a worker inside: SQLite, a local folder, nothing else.

    Where CLEARSCOPE_BROKER_URL names a Redis, workers are elsewhere (`clearscope worker`).
    """
    settings = Settings.load(host=host, port=port, data_dir=data_dir, server_processes=processes)
    require_keys(settings)
    set_up_logging(settings)
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        # Ours say the same in the format that was asked for, and leave out the query.
        "log_config": None,
        "access_log": False,
        "timeout_graceful_shutdown": GRACEFUL_SHUTDOWN_S,
        # Longer than a proxy keeps an idle connection: it would send into one that is being closed here.
        "timeout_keep_alive": KEEP_ALIVE_S,
    }
    with needing("embedded"):
        import uvicorn  # noqa: PLC0415  # the command line works where no server is installed

        if settings.server_processes > 1:
            from app.serving.processes import serve_in_processes  # noqa: PLC0415  # the same

            serve_in_processes(settings, **options)
            return
        app = _make_app(settings)
    freeze_startup_objects()
    uvicorn.run(app, **options)


def _make_app(settings: Settings) -> "FastAPI":
    if settings.broker_url:
        from app.serving.brokered import create_brokered_app  # noqa: PLC0415  # see serve

        return create_brokered_app(settings)
    from app.serving.embedded import create_embedded_app  # noqa: PLC0415  # see serve

    if find_spec("torch") is None:
        # Now, not when the first job imports it.
        raise ModuleNotFoundError("torch is missing", name="torch")
    return create_embedded_app(settings)
