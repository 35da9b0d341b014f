"""Database schema: migrations and the version check."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from models_store.database.engines import Database
from models_store.database.outages import database_outages
from models_store.errors import SchemaMismatchError


def migrate(database: Database) -> None:
    """Upgrade the schema to the newest revision."""
    with database_outages():
        command.upgrade(alembic_config(database.url), "head")


def require_current_schema(database: Database) -> None:
    """Raise SchemaMismatchError unless the schema is the one that this version requires."""
    with database_outages(), database.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    script = ScriptDirectory.from_config(alembic_config(database.url))
    needed = script.get_current_head()
    if found == needed:
        return
    known = {revision.revision for revision in script.walk_revisions()}
    if found is None or found in known:
        remedy = "run `clearscope migrate`, then start this process again"
    else:
        remedy = "it was created by a newer version of ClearScope; install that version here too"
    raise SchemaMismatchError(f"the database's schema is {found or 'empty'}, not {needed}: {remedy}")


def alembic_config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config
