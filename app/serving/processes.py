"""Multi-process server: several processes on one port, since one Python process uses one core."""

import os
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from fastapi import FastAPI

from app.serving.brokered import create_brokered_app
from app.serving.gc_tuning import freeze_startup_objects
from models_store.errors import InvalidRequestError
from models_store.settings import Settings
from models_store.telemetry.logs import set_up_logging

# Generous: a busy process may respond late. If a process dies during a check, shutdown may take as long.
HEALTH_CHECK_S = 15


def serve_in_processes(settings: Settings, **options: Any) -> None:  # noqa: ANN401  # uvicorn's options
    """Serve with `settings.server_processes` processes; restart those that die."""
    if not settings.broker_url:
        raise InvalidRequestError(
            "several server processes require separate workers: set CLEARSCOPE_BROKER_URL to a Redis URL"
        )
    with TemporaryDirectory(prefix="clearscope-metrics-") as folder:
        # The processes share metric files in this folder; the client library reads it when imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        os.environ["CLEARSCOPE_SERVER_PROCESSES"] = str(settings.server_processes)
        os.environ["CLEARSCOPE_DATA_DIR"] = str(settings.data_dir)
        os.environ["CLEARSCOPE_HOST"] = settings.host
        uvicorn.run(
            "app.serving.processes:make_app",
            factory=True,
            workers=settings.server_processes,
            timeout_worker_healthcheck=HEALTH_CHECK_S,
            **options,
        )


def make_app() -> FastAPI:
    """Create the server of one process, with settings from its environment."""
    settings = Settings.load()
    set_up_logging(settings)
    app = create_brokered_app(settings)
    freeze_startup_objects()
    return app
