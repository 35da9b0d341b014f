"""Options of every command that talks to a server."""

from typing import Annotated

import typer

DEFAULT_SERVER = "http://127.0.0.1:8000"

ServerOption = Annotated[str, typer.Option(envvar="CLEARSCOPE_SERVER", help="Address of the server.")]
KeyOption = Annotated[
    str | None, typer.Option(envvar="CLEARSCOPE_API_KEY", show_envvar=True, help="API key of the server.")
]
