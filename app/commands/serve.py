"""`clearscope serve`: serve the API from one process or several."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.extras import require_extra
from app.serving.gc_tuning import freeze_startup_objects
from models_store.settings import Settings
from models_store.telemetry.logs import set_up_logging

if TYPE_CHECKING:
    from fastapi import FastAPI

serve_command = typer.Typer()
logger = logging.getLogger(__name__)

# Time a stopping server waits for requests in progress.
GRACEFUL_SHUTDOWN_S = 5
# Longer than the keep-alive of common proxies: otherwise a proxy could send into a closing connection.
KEEP_ALIVE_S = 75


@serve_command.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder for images, models and results.")] = None,
    processes: Annotated[
        int | None,
        typer.Option(min=1, help="Number of server processes; more than one requires CLEARSCOPE_BROKER_URL."),
    ] = None,
) -> None:
    """Serve the API with an embedded worker, a SQLite database and a local data folder.

    If CLEARSCOPE_BROKER_URL is set, jobs run in separate workers instead (`clearscope worker`).
    """
    settings = Settings.load(host=host, port=port, data_dir=data_dir, server_processes=processes)
    from app.commands.stored_keys import require_keys  # noqa: PLC0415  # other commands start faster without it

    require_keys(settings)
    set_up_logging(settings)
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        # Our request log replaces uvicorn's: it follows the configured format and omits the query string.
        "log_config": None,
        "access_log": False,
        "timeout_graceful_shutdown": GRACEFUL_SHUTDOWN_S,
        "timeout_keep_alive": KEEP_ALIVE_S,
    }
    _tell_address(settings)
    with require_extra("embedded"):
        import uvicorn  # noqa: PLC0415  # the command line works without the server's dependencies

        if settings.server_processes > 1:
            from app.serving.processes import serve_in_processes  # noqa: PLC0415  # the same

            serve_in_processes(settings, **options)
            return
        app = _make_app(settings)
    freeze_startup_objects()
    uvicorn.run(app, **options)


def _tell_address(settings: Settings) -> None:
    """Log where people find the portal, unless the system is yet to choose the port."""
    if settings.port:
        host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104  # compares only
        address = f"[{host}]" if ":" in host else host
        logger.info("the portal is at http://%s:%d/", address, settings.port)


def _make_app(settings: Settings) -> "FastAPI":
    if settings.broker_url:
        from app.serving.brokered import create_brokered_app  # noqa: PLC0415  # see serve

        return create_brokered_app(settings)
    from app.serving.embedded import create_embedded_app  # noqa: PLC0415  # see serve

    if find_spec("torch") is None:
        # Fail at startup, not when the first job imports it.
        raise ModuleNotFoundError("torch is missing", name="torch")
    return create_embedded_app(settings)
