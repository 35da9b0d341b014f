"""`clearscope keys`: create, list and revoke API keys directly in the database."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import make_url

from models_store.clock_and_ids import system_clock
from models_store.contracts.vocabulary import Scope
from models_store.database.engines import Database
from models_store.database.schema import migrate, require_current_schema
from models_store.database.tables import ApiKey
from models_store.errors import InvalidRequestError
from models_store.repositories import api_keys
from models_store.repositories.api_keys import KeyLimits
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
    now = system_clock()
    database = _database(data_dir)
    with database.write() as session:
        key, token = api_keys.create_key(
            session,
            name=name,
            scopes=scope or [Scope.READ, Scope.SUBMIT],
            microscopes=microscope or [],
            expires_at=now + timedelta(days=expires_days) if expires_days else None,
            limits=KeyLimits(requests_per_minute, stored_bytes, active_jobs),
            now=now,
        )
        message = f"key {key.prefix} of {key.name}: {', '.join(key.scopes)}; keep it, it is not shown again"
    database.dispose()
    Console(stderr=True).print(message, highlight=False, markup=False, soft_wrap=True)
    typer.echo(token)


@keys.command(name="list")
def list_keys(data_dir: DataDirOption = None) -> None:
    """List all keys, including expired and revoked ones."""
    table = Table("prefix", "name", "scopes", "microscopes", "state", "last used")
    database = _database(data_dir)
    now = system_clock()
    with database.read() as session:
        for key in api_keys.every_key(session):
            visible = ", ".join(each.name for each in key.microscopes) or "all"
            last_used = _format_time(key.last_used_at)
            table.add_row(key.prefix, key.name, ", ".join(key.scopes), visible, _state(key, now), last_used)
    database.dispose()
    Console().print(table)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Prefix, id or name of the key.")],
    data_dir: DataDirOption = None,
) -> None:
    """Revoke a key permanently."""
    database = _database(data_dir)
    with database.write() as session:
        revoked = api_keys.revoke_key(session, key, system_clock())
        message = f"key {revoked.prefix} of {revoked.name} is revoked"
    database.dispose()
    Console().print(message, highlight=False, markup=False, soft_wrap=True)


def require_keys(settings: Settings) -> None:
    """Raise InvalidRequestError if the server would listen beyond loopback without any API key."""
    if settings.listens_on_loopback or _has_keys(settings):
        return
    raise InvalidRequestError(
        f"host {settings.host}: a server without API keys listens on loopback only (127.0.0.1, ::1); "
        "create a key first: clearscope keys create NAME --scope admin"
    )


def _has_keys(settings: Settings) -> bool:
    address = make_url(settings.resolved_database_url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").exists():
        return False
    database = _open(settings)
    with database.read() as session:
        found = api_keys.any_key(session)
    database.dispose()
    return found


def _database(data_dir: Path | None) -> Database:
    return _open(Settings.load(data_dir=data_dir))


def _open(settings: Settings) -> Database:
    """Open the database; a database shared by several servers is migrated only by `clearscope migrate`."""
    database = Database.of(settings)
    if settings.broker_url:
        require_current_schema(database)
    else:
        migrate(database)
    return database


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {_format_time(key.revoked_at)}"
    if key.expires_at is None:
        return "valid"
    return f"{'expired' if key.expires_at <= now else 'valid until'} {_format_time(key.expires_at)}"


def _format_time(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
