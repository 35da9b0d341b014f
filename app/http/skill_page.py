"""Instructions for agents at /skill.md: how to use the API, as a skill in Markdown."""

from importlib.resources import files

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

SKILL_PATH = "/skill.md"


def install_skill(app: FastAPI) -> None:
    """Serve the instructions, which hold for every server and need no key."""
    skill = files("app.http").joinpath("skill.md").read_text("utf-8")

    @app.get(SKILL_PATH, include_in_schema=False)
    async def skill_page() -> PlainTextResponse:
        return PlainTextResponse(skill, media_type="text/markdown", headers={"Cache-Control": "no-cache"})
