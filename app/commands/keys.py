"""`clearscope keys`: makes, lists and revokes API keys, directly in the database."""

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

keys = typer.Typer(name="keys", help="API keys of a server.", no_args_is_help=True)

DataDirOption = Annotated[
    Path | None, typer.Option(help="The server's data folder; needless where CLEARSCOPE_DATABASE_URL is set.")
]


@keys.command()
def create(  # one parameter for each of the command's
    name: Annotated[str, typer.Argument(help="Whose key it is, or what for.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="What it may do: read, submit, calibrate, admin (all). Default: read and submit."),
    ] = None,
    microscope: Annotated[
        list[str] | None, typer.Option(help="The only microscopes it sees. Default: everything.")
    ] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, max=36500, help="How long it is valid.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(min=1)] = None,
    stored_bytes: Annotated[int | None, typer.Option(min=1, help="Images and results together.")] = None,
    active_jobs: Annotated[int | None, typer.Option(min=1, help="Jobs that have not ended.")] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a key and print it. It is shown this once: the database keeps only a digest."""
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
        said = f"key {key.prefix} of {key.name}: {', '.join(key.scopes)}; keep it, it is not shown again"
    database.dispose()
    Console(stderr=True).print(said, highlight=False, markup=False, soft_wrap=True)
    typer.echo(token)


@keys.command(name="list")
def list_keys(data_dir: DataDirOption = None) -> None:
    """List all keys, also those that are no longer valid."""
    table = Table("prefix", "name", "scopes", "microscopes", "state", "last used")
    database = _database(data_dir)
    now = system_clock()
    with database.read() as session:
        for key in api_keys.list_keys(session):
            seen = ", ".join(each.name for each in key.microscopes) or "all"
            table.add_row(
                key.prefix, key.name, ", ".join(key.scopes), seen, _state(key, now), _day(key.last_used_at)
            )
    database.dispose()
    Console().print(table)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Prefix, id or name.")], data_dir: DataDirOption = None
) -> None:
    """Make a key invalid, for good."""
    database = _database(data_dir)
    with database.write() as session:
        revoked = api_keys.revoke_key(session, key, system_clock())
        said = f"key {revoked.prefix} of {revoked.name} is revoked"
    database.dispose()
    Console().print(said, highlight=False, markup=False, soft_wrap=True)


def require_keys(settings: Settings) -> None:
    """Refuse to serve more than this machine while anybody may ask anything."""
    if settings.listens_on_loopback or _has_keys(settings):
        return
    raise InvalidRequestError(
        f"host {settings.host}: this server has no API keys, and without any it listens on loopback only "
        "(127.0.0.1, ::1); make one first: clearscope keys create NAME --scope admin"
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
    """Open the database; one that several servers share is migrated by `clearscope migrate` only."""
    database = Database.of(settings)
    if settings.broker_url:
        require_current_schema(database)
    else:
        migrate(database)
    return database


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {_day(key.revoked_at)}"
    if key.expires_at is None:
        return "valid"
    return f"{'expired' if key.expires_at <= now else 'valid until'} {_day(key.expires_at)}"


def _day(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
