"""The clearscope command and its options as a page."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from app.commands.main import cli
from docs_site.api_types import in_cell

INTRODUCTION = """# Commands

`clearscope COMMAND --help` says the same. Commands that reach a server take its address and a key from
`CLEARSCOPE_SERVER` and `CLEARSCOPE_API_KEY` if they are not given.
"""


def commands_page() -> str:
    """Return the page of all commands, from the command line's own descriptions."""
    return "\n".join([INTRODUCTION, *_described(get_command(cli), "clearscope")])


def _described(command: Any, name: str) -> Iterator[str]:  # noqa: ANN401  # Typer has Click's classes of its own
    for child_name, child in getattr(command, "commands", {}).items():
        full_name = f"{name} {child_name}"
        yield f"## {full_name}\n"
        yield f"{child.help or child.callback.__doc__ or ''}\n"
        if not hasattr(child, "commands"):
            yield from _parameters(child, full_name)
        yield from _described(child, full_name)


def _parameters(command: Any, name: str) -> Iterator[str]:  # noqa: ANN401  # as above
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join([name, *map(_argument, arguments), "[OPTIONS]"])
    yield f"    {usage}\n"
    yield "| argument or option | | default |\n|---|---|---|"
    for each in command.params:
        if not getattr(each, "hidden", False):
            ways = [_argument(each)] if each in arguments else [*each.opts, *each.secondary_opts]
            told = ", ".join(f"`{way}`" for way in ways)
            default = (
                "" if each.default is None or callable(each.default) else f"`{in_cell(str(each.default))}`"
            )
            yield f"| {told} | {in_cell(each.help or '')} | {default} |"
    yield ""


def _argument(argument: Any) -> str:  # noqa: ANN401  # as above
    return str(argument.metavar or argument.name).upper()
