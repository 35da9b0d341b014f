"""The composition root of the server."""

import os
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from importlib.metadata import version

from fastapi import APIRouter, FastAPI
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import RedirectResponse

from app import problems
from app.dependencies import Dispatcher, Services
from app.routes import artifacts, health, images, jobs, microscopes, networks, noise_models
from models_store.blobs import Blobs
from models_store.identity import Clock, system_clock
from models_store.session import Database
from models_store.settings import Settings

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
DESCRIPTION = """
Takes the noise out of microscope images. Upload an image, post a `denoise` job, download the result.

The noise model is bootstrapped from the noisy image itself and kept for the next one of the same microscope.
"""


def create_app(
    settings: Settings,
    *,
    database: Database,
    blobs: Blobs,
    dispatcher: Dispatcher,
    clock: Clock = system_clock,
    alongside: AbstractContextManager[None] | None = None,
) -> FastAPI:
    """Make the server; `alongside` runs while it does (the embedded worker)."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with alongside or nullcontext():
            yield
        database.dispose()

    app = FastAPI(
        title="ClearScope",
        version=version("clearscope"),
        description=DESCRIPTION,
        lifespan=lifespan,
        responses={
            "4XX": {
                "description": "What is wrong, and what would be right",
                "content": {problems.MEDIA_TYPE: {"schema": problems.Problem.model_json_schema()}},
            }
        },
    )
    inspections = threading.BoundedSemaphore(os.cpu_count() or 1)
    app.state.services = Services(settings, database, blobs, clock, dispatcher, inspections)
    # A page of another site must not reach a server that knows no users, under a name of its own.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK_NAMES, settings.host])
    problems.install(app)
    v1 = APIRouter(prefix="/v1")
    for routes in (images, microscopes, noise_models, networks, jobs, artifacts):
        v1.include_router(routes.router)
    app.include_router(v1)
    app.include_router(health.router)

    @app.get("/", include_in_schema=False)
    def home() -> RedirectResponse:
        return RedirectResponse("/docs")

    return app
