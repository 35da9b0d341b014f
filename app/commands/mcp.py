"""`clearscope mcp`: tools for agents, by the Model Context Protocol."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.commands.extras import require_extra
from app.commands.options import DEFAULT_SERVER, KeyOption
from clearscope_client import AsyncClearScope, Conduct, Retries
from models_store.errors import InvalidRequestError

mcp_command = typer.Typer()

# An agent is better told of an outage than kept waiting.
_RETRIES = Retries(outage_s=20.0, first_contact_s=5.0)


@mcp_command.command()
def mcp(
    folder: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="The only folder whose files are sent and where results go. Default: the current one.",
        ),
    ] = None,
    transport: Annotated[
        Literal["stdio", "http"],
        typer.Option(help="stdio: the agent's program starts this command; http: it connects to /mcp."),
    ] = "stdio",
    host: Annotated[str, typer.Option(help="Address to listen on with http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on with http.")] = 8080,
    server: Annotated[
        str, typer.Option("--server", "--url", envvar="CLEARSCOPE_SERVER", help="URL of the server.")
    ] = DEFAULT_SERVER,
    key: KeyOption = None,
) -> None:
    """Offer a ClearScope server to agents as tools: upload, denoise, watch, previews, trust report."""
    within = transport == "stdio" or _is_loopback(host)
    if not within and folder is None:
        raise InvalidRequestError(
            f"everybody who reaches {host} could send files of the current folder and write into it; name "
            "the folder that is meant with --folder, or listen on 127.0.0.1"
        )
    if not within and key:
        raise InvalidRequestError(
            f"everybody who reaches {host} would act with this key; leave --key out, and let agents send "
            "keys of their own (Authorization: Bearer ...), or listen on 127.0.0.1"
        )

    def connect(brought: str | None) -> AsyncClearScope:
        return AsyncClearScope(server, brought or key, conduct=Conduct(server, _RETRIES))

    with require_extra("mcp"):
        from clearscope_client.agents.loopback import loopback_security  # noqa: PLC0415  # needs an extra
        from clearscope_client.agents.server import agent_server  # noqa: PLC0415  # needs an extra

        tools = agent_server(connect, folder or Path())
    if transport == "stdio":
        tools.run("stdio")
    else:
        security = loopback_security(host) if within else None
        tools.run("streamable-http", host=host, port=port, transport_security=security)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
