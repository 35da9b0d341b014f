"""The first page."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from app.http.authorization import READ
from app.portal.rendering import Page

router = APIRouter()


@router.get("/", dependencies=READ)
def home(page: Page) -> HTMLResponse:
    return page("home.html")
