"""The composition root of the server."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from importlib.metadata import version

from anyio import CapacityLimiter
from fastapi import APIRouter, FastAPI
from fastapi.responses import RedirectResponse
from prometheus_client import CollectorRegistry

from app.http import problems
from app.http.dependencies import Services
from app.http.middleware import protect
from app.http.readiness import ReadinessCheck
from app.observability.install import observe
from app.routes import artifacts, health, images, jobs, metrics, microscopes, networks, noise_models
from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock, system_clock
from models_store.database.engines import Database
from models_store.image_files.isolation.client import Isolation
from models_store.outbound.notifier import Notifier
from models_store.settings import Settings
from models_store.telemetry.traces import Tracing

MOST_LOOK_UPS = 16

DESCRIPTION = """
Takes the noise out of microscope images. Upload an image, post a `denoise` job, download the result.

The noise model is bootstrapped from the noisy image itself and kept for the next one of the same microscope.
"""


def create_app(  # noqa: PLR0913  # the composition root is given every part
    settings: Settings,
    *,
    database: Database,
    blobs: Blobs,
    isolation: Isolation,
    dispatcher: Notifier,
    clock: Clock = system_clock,
    alongside: Sequence[AbstractContextManager[object]] = (),
    registry: CollectorRegistry | None = None,
    tracing: Tracing | None = None,
) -> FastAPI:
    """Make the server; what is `alongside` runs while it does: the reading service, the embedded worker."""
    registry = registry or CollectorRegistry()
    tracing = tracing or Tracing()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as stack:
            for each in alongside:
                stack.enter_context(each)
            yield
        database.dispose()
        tracing.close()

    app = FastAPI(
        title="ClearScope",
        version=version("clearscope"),
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        responses={
            "4XX": {
                "description": "What is wrong, and what would be right",
                "content": {problems.MEDIA_TYPE: {"schema": problems.Problem.model_json_schema()}},
            }
        },
    )
    inspections = CapacityLimiter(max((os.cpu_count() or 1) // settings.server_processes, 1))
    app.state.services = Services(
        settings=settings,
        database=database,
        blobs=blobs,
        isolation=isolation,
        clock=clock,
        dispatcher=dispatcher,
        inspections=inspections,
        look_ups=CapacityLimiter(MOST_LOOK_UPS),
        readiness=ReadinessCheck(settings, database, blobs, clock),
        registry=registry,
    )
    problems.install(app)
    protect(app, settings, database, clock)
    v1 = APIRouter(prefix="/v1")
    # Looked through in this order: what is asked most comes first.
    for routes in (jobs, artifacts, images, microscopes, noise_models, networks):
        v1.include_router(routes.router)
    app.include_router(v1)
    app.include_router(health.router)
    app.include_router(metrics.router)

    @app.get("/", include_in_schema=False)
    def home() -> RedirectResponse:
        return RedirectResponse("/docs")

    observe(app, app.state.services, tracing)
    return app
