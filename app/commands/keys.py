"""`clearscope keys`: create, list and revoke API keys directly in the database."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from models_store.contracts.vocabulary import Scope
from models_store.settings import Settings

keys = typer.Typer(name="keys", help="Manage the API keys of a server.", no_args_is_help=True)

DataDirOption = Annotated[
    Path | None, typer.Option(help="The server's data folder; not needed if CLEARSCOPE_DATABASE_URL is set.")
]


@keys.command()
def create(  # one parameter per command-line option
    name: Annotated[str, typer.Argument(help="Owner or purpose of the key.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="Scope: read, submit, calibrate or admin (all). Default: read and submit."),
    ] = None,
    microscope: Annotated[
        list[str] | None,
        typer.Option(help="Restrict the key to this microscope; may be repeated. Default: all."),
    ] = None,
    expires_days: Annotated[
        int | None, typer.Option(min=1, max=36500, help="Days until the key expires. Default: never.")
    ] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Rate limit of the key.")] = None,
    stored_bytes: Annotated[
        int | None, typer.Option(min=1, help="Storage quota for images and results together.")
    ] = None,
    active_jobs: Annotated[int | None, typer.Option(min=1, help="Quota of unfinished jobs.")] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Create a key and print it once; the database stores only a digest."""
    from app.commands.stored_keys import create_key  # noqa: PLC0415  # other commands start faster without it

    message, token = create_key(
        Settings.load(data_dir=data_dir),
        name,
        scope or [Scope.READ, Scope.SUBMIT],
        microscope or [],
        timedelta(days=expires_days) if expires_days else None,
        (requests_per_minute, stored_bytes, active_jobs),
    )
    Console(stderr=True).print(message, highlight=False, markup=False, soft_wrap=True)
    typer.echo(token)


@keys.command(name="list")
def list_keys(data_dir: DataDirOption = None) -> None:
    """List all keys, including expired and revoked ones."""
    from app.commands.stored_keys import table_of_keys  # noqa: PLC0415  # see create

    table = Table("prefix", "name", "scopes", "microscopes", "state", "last used")
    for row in table_of_keys(Settings.load(data_dir=data_dir)):
        table.add_row(*row)
    Console().print(table)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Prefix, id or name of the key.")],
    data_dir: DataDirOption = None,
) -> None:
    """Revoke a key permanently."""
    from app.commands.stored_keys import revoke_key  # noqa: PLC0415  # see create

    message = revoke_key(Settings.load(data_dir=data_dir), key)
    Console().print(message, highlight=False, markup=False, soft_wrap=True)
