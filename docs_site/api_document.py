"""The application's own OpenAPI document, without a server."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.main import create_app
from models_store.blobs.blobs import Blobs
from models_store.database.engines import Database
from models_store.image_files.isolation.client import Isolation
from models_store.settings import Settings


class _Nobody:
    """Notifies no workers: the application answers no requests."""

    def notify(self, job_ids: Sequence[str]) -> None:
        """Do nothing."""


def openapi_document() -> dict[str, Any]:
    """Return the document that a server with API keys serves at /openapi.json."""
    with tempfile.TemporaryDirectory(prefix="clearscope-docs-") as folder:
        settings = Settings(data_dir=Path(folder))
        database = Database.of(settings)
        app = create_app(
            settings,
            database=database,
            blobs=Blobs.of(settings),
            isolation=Isolation(str(Path(folder) / "none")),
            dispatcher=_Nobody(),
        )
        document = app.openapi()
        database.dispose()
    return document
