"""The clearscope command, run in the test's own process."""

from pathlib import Path

from typer.testing import CliRunner

from app.commands.main import cli
from clearscope_client import ClientError
from models_store.errors import ClearScopeError
from tests.support.reading_processes import shared_by_commands


def clearscope(*arguments: str | Path, code: int = 0, **settings: str) -> str:
    """Run the command and check its exit code; return its output and errors, in wide lines."""
    environment = {f"CLEARSCOPE_{name.upper()}": value for name, value in settings.items()}
    with shared_by_commands():
        done = CliRunner().invoke(cli, list(map(str, arguments)), env={"COLUMNS": "200", **environment})
    output, found = done.output, done.exit_code
    if isinstance(done.exception, ClearScopeError | ClientError):
        output += f"Error: {done.exception.detail}\n"
    elif done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert found == code, output
    return output
