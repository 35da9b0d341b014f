"""All pages of the portal, and their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles

from app.http.authentication import PORTAL_ASSETS_PATH
from app.portal import texts
from app.portal.error_pages import install_error_pages
from app.portal.pages import home, instruments, jobs, keys, noise_model, results, sign_in
from app.portal.rendering import Link, Portal, make_environment
from models_store.contracts.vocabulary import Scope


@dataclass(frozen=True)
class View:
    """Routes of a view, and its link in the navigation if it has one."""

    router: APIRouter
    link: Link | None = None


PAGES: Sequence[View] = (
    View(home.router, Link("/", texts.Navigation.HOME, Scope.SUBMIT)),
    View(jobs.router, Link("/jobs", texts.Navigation.JOBS)),
    View(results.router),
    View(instruments.router, Link("/instruments", texts.Navigation.INSTRUMENTS)),
    View(noise_model.router),
    View(keys.router, Link("/keys", texts.Navigation.KEYS)),
    View(sign_in.router),
)
"""Views in the order in which the navigation shows their links."""


class Assets(StaticFiles):
    """The portal's files; browsers keep them, and ask whether they have changed."""

    def file_response(self, full_path: str | PathLike[str], *arguments: Any, **options: Any) -> Response:  # noqa: ANN401  # Starlette's
        response = super().file_response(full_path, *arguments, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response


def make_portal() -> Portal:
    return Portal(make_environment(), tuple(view.link for view in PAGES if view.link is not None))


def install_portal(app: FastAPI, portal: Portal) -> None:
    """Add the pages and their files, and show problems as pages; call after `problems.install`."""
    app.state.portal = portal
    for view in PAGES:
        app.include_router(view.router, include_in_schema=False)
    app.mount(PORTAL_ASSETS_PATH, Assets(packages=[("app.portal", "assets")]))
    install_error_pages(app, portal)
