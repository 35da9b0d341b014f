"""Several server processes on one port: a Python process answers with one core, however many there are."""

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

# A process that computes hard may be slow to say that it lives; the server ends no sooner if one has died.
HEALTH_CHECK_S = 15


def serve_in_processes(settings: Settings, **options: Any) -> None:  # noqa: ANN401  # uvicorn's options
    """Serve with `settings.server_processes` processes, and start one again that dies."""
    if not settings.broker_url:
        raise InvalidRequestError(
            "several server processes need workers elsewhere: name a Redis in CLEARSCOPE_BROKER_URL"
        )
    with TemporaryDirectory(prefix="clearscope-metrics-") as folder:
        # They count in files of this folder, so that each can tell of all. Read when the library is imported.
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
    """Make the server of one of the processes, by the settings in its environment."""
    settings = Settings.load()
    set_up_logging(settings)
    app = create_brokered_app(settings)
    freeze_startup_objects()
    return app
