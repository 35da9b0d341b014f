"""Composition root of the server."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from importlib.metadata import version

from anyio import CapacityLimiter
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from app.http import problems
from app.http.authentication import KeyRing
from app.http.dependencies import Services
from app.http.middleware import install_middleware
from app.http.rate_limits import RateLimits
from app.http.readiness import ReadinessCheck
from app.job_streams.hub import JobStreams
from app.job_streams.stopping import called_on_signals
from app.observability.install import install_observability
from app.portal.error_pages import refusals
from app.portal.install import install_portal, make_portal
from app.routes import (
    api_keys,
    artifacts,
    camera_checks,
    health,
    image_microscopes,
    images,
    job_events,
    jobs,
    metrics,
    microscopes,
    networks,
    noise_model_reports,
    noise_models,
    planes,
    share_links,
    uploads,
    zarr,
)
from app.viewing.planes_in_memory import PlanesInMemory
from models_store.blobs.blobs import Blobs
from models_store.clock_and_ids import Clock, system_clock
from models_store.database.engines import Database
from models_store.image_files.isolation.client import Isolation
from models_store.outbound.notifier import Notifier
from models_store.settings import Settings
from models_store.telemetry.traces import Tracing

MAX_DNS_LOOKUPS = 16
MAX_JOINS = 2

DESCRIPTION = """
Denoises microscope images. Upload an image, post a `denoise` job, download the result.

The noise model is bootstrapped from the noisy image itself and kept for later images of the same microscope.
"""


def create_app(  # noqa: PLR0913  # the composition root receives every component
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
    """Create the server.

    `alongside`: contexts that are open while the server runs, such as the reading service and the embedded
    worker.
    """
    registry = registry or CollectorRegistry()
    tracing = tracing or Tracing()

    streams = JobStreams(database, clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as stack:
            for context in alongside:
                stack.enter_context(context)
            stack.enter_context(called_on_signals(streams.close))
            yield
            await streams.aclose()
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
                "description": "The request was refused; `detail` says what is wrong and what would be right",
                "content": {problems.MEDIA_TYPE: {"schema": problems.Problem.model_json_schema()}},
            }
        },
    )
    limits = RateLimits(settings.broker_url)
    keys = KeyRing(database, settings, clock, limits)
    inspections = CapacityLimiter(max((os.cpu_count() or 1) // settings.server_processes, 1))
    app.state.services = Services(
        settings=settings,
        database=database,
        blobs=blobs,
        isolation=isolation,
        clock=clock,
        dispatcher=dispatcher,
        inspections=inspections,
        receiving=CapacityLimiter(1),
        writing=CapacityLimiter(blobs.writes_at_once),
        joining=CapacityLimiter(MAX_JOINS),
        dns_lookups=CapacityLimiter(MAX_DNS_LOOKUPS),
        readiness=ReadinessCheck(settings, database, blobs, clock),
        keys=keys,
        registry=registry,
    )
    app.state.planes = PlanesInMemory(settings)
    app.state.job_streams = streams
    problems.install(app)
    portal = make_portal()
    install_middleware(app, settings, keys, limits, refusals(portal))
    # Routes are matched in this order: the most frequent come first, after one that they would hide. FastAPI
    # builds them anew at each level of inclusion, most of this function's time: they are included once.
    for routes in (
        job_events,
        jobs,
        artifacts,
        images,
        image_microscopes,
        planes,
        zarr,
        share_links,
        uploads,
        microscopes,
        noise_models,
        noise_model_reports,
        networks,
        camera_checks,
        api_keys,
    ):
        app.include_router(routes.router, prefix="/v1")
    app.include_router(health.router)
    app.include_router(metrics.router)
    install_portal(app, portal)
    install_observability(app, app.state.services, tracing)
    return app
