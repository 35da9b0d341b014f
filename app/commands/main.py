"""Entry point of the `clearscope` command."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from app.commands.calibration import calibration_commands
from app.commands.camera import camera_commands
from app.commands.denoise import denoise_command
from app.commands.denoise_folder import denoise_folder_command
from app.commands.evaluate import evaluate_command
from app.commands.facility import worker_commands
from app.commands.keys import keys
from app.commands.mcp import mcp_command
from app.commands.networks import network_commands
from app.commands.pretrain import pretrain_command
from app.commands.reproduce import reproduce_commands
from app.commands.serve import serve_command
from app.commands.submit import submit_command
from app.commands.watch import watch_command
from clearscope_client import ClientError
from models_store.errors import ClearScopeError

cli = typer.Typer(
    name="clearscope",
    help="Denoise microscope images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

cli.add_typer(serve_command)
cli.add_typer(submit_command)
cli.add_typer(watch_command)
cli.add_typer(mcp_command)
cli.add_typer(denoise_command)
cli.add_typer(denoise_folder_command)
cli.add_typer(keys)
cli.add_typer(calibration_commands)
cli.add_typer(camera_commands)
cli.add_typer(evaluate_command)
cli.add_typer(network_commands)
cli.add_typer(pretrain_command)
cli.add_typer(worker_commands)
cli.add_typer(reproduce_commands)


def main() -> None:
    """Run the command; print an error that says what is wrong as one line and exit with status 1."""
    try:
        cli()
    except (ClearScopeError, ClientError) as error:
        Console(stderr=True).print(
            f"[bold red]Error:[/] {escape(error.detail)}", highlight=False, soft_wrap=True
        )
        sys.exit(1)
