"""The tools of `clearscope mcp`, called by the SDK's own client."""

import base64
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import tifffile
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.types import CallToolResult, ImageContent, TextContent

from clearscope_client import AsyncClearScope, Conduct
from clearscope_client.agents.server import agent_server
from demo.server import free_port
from tests.support.client_transports import IMPATIENT, URL, InProcess
from tests.support.commands import clearscope
from tests.support.loopback_server import KeyedServer
from tests.support.posted_jobs import wait_for
from tests.support.server_process import CLEARSCOPE

Call = Callable[..., Awaitable[CallToolResult]]


@pytest.fixture
def folder(tmp_path: Path, noisy_tiff: Path) -> Path:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "cells.tif").write_bytes(noisy_tiff.read_bytes())
    (tmp_path / "secret.tif").write_bytes(noisy_tiff.read_bytes())
    (shared / "link.tif").symlink_to(tmp_path / "secret.tif")
    return shared


def with_tools(keyed: KeyedServer, folder: Path, key: str, use: Callable[[Client], Awaitable[None]]) -> None:
    """Connect the SDK's client in memory to tools that act with a key."""

    def connect(_brought: str | None) -> AsyncClearScope:
        conduct = Conduct(URL, IMPATIENT)
        return AsyncClearScope(URL, key, conduct=conduct, transport=InProcess(keyed.application))

    async def run() -> None:
        async with Client(agent_server(connect, folder), raise_exceptions=True) as client:
            await use(client)

    anyio.run(run)


def told(result: CallToolResult) -> Any:
    assert not result.is_error, text(result)
    return result.structured_content


def text(result: CallToolResult) -> str:
    return "".join(each.text for each in result.content if isinstance(each, TextContent))


def picture(result: CallToolResult) -> bytes:
    (image,) = result.content
    assert isinstance(image, ImageContent)
    assert image.mime_type == "image/png"
    return base64.b64decode(image.data)


def test_an_image_goes_through_all_tools(keyed: KeyedServer, folder: Path) -> None:
    async def use(client: Client) -> None:
        tools = (await client.list_tools()).tools
        names = {tool.name for tool in tools}
        hints = {tool.name: tool.annotations and tool.annotations.destructive_hint for tool in tools}
        assert [name for name, destructive in hints.items() if destructive] == ["save_results"]
        steps = {"upload", "preflight", "denoise", "watch", "cancel", "save_results"}
        assert names == steps | {"trust_report", "image_preview", "result_preview", "noise_models"}
        image = told(await client.call_tool("upload", {"path": "cells.tif", "microscope": keyed.microscope}))
        assert (image["header"]["axes"], image["header"]["shape"]) == ("YX", [96, 80])
        assert picture(await client.call_tool("image_preview", {"image_id": image["id"]})).startswith(
            b"\x89PNG"
        )
        ids = {"image_ids": [image["id"]]}
        plan = told(await client.call_tool("preflight", ids))["plan"]
        assert [step["stage"] for step in plan if step["action"] == "compute"] == ["noise_model", "predict"]
        job = told(await client.call_tool("denoise", {**ids, "options": {"seed": 1}}))
        watched = {"job_id": job["id"]}
        ended = told(await client.call_tool("watch", {**watched, "wait_s": 120}))
        assert ended["state"] == "succeeded"
        report = told(await client.call_tool("trust_report", watched))
        assert report["trust"] == ended["trust"]
        assert report["reports"][0]["sentence"] == ended["trust"]["sentence"]
        assert picture(await client.call_tool("result_preview", watched)).startswith(b"\x89PNG")
        saved = told(await client.call_tool("save_results", {**watched, "into": "results"}))["result"]
        assert str(folder / "results" / "cells_denoised.tif") in saved
        assert tifffile.imread(folder / "results" / "cells_denoised.tif").shape == (96, 80)
        models = told(await client.call_tool("noise_models", {"microscope": keyed.microscope}))["result"]
        assert [model["active"] for model in models] == [True]

    with_tools(keyed, folder, keyed.key, use)


def test_the_scopes_of_the_key_hold(keyed: KeyedServer, folder: Path) -> None:
    async def use(client: Client) -> None:
        assert told(await client.call_tool("noise_models", {})) is not None
        for tool, arguments in (("upload", {"path": "cells.tif"}), ("denoise", {"image_ids": ["img_1"]})):
            refused = await client.call_tool(tool, arguments)
            assert refused.is_error
            assert "this needs an API key with the scope submit; the scopes of this key: read" in text(
                refused
            )

    with_tools(keyed, folder, keyed.reading_key, use)


def test_what_is_wrong_is_told(keyed: KeyedServer, folder: Path) -> None:
    (folder / "notes.tif").write_text("no image")

    async def use(client: Client) -> None:
        async def refusal(tool: str, **arguments: Any) -> str:
            refused = await client.call_tool(tool, arguments)
            assert refused.is_error, text(refused)
            return text(refused)

        assert "Image corrupt: " in await refusal("upload", path="notes.tif")
        assert f"there is no {folder / 'cell.tif'}" in await refusal("upload", path="cell.tif")
        for outside in ("../secret.tif", str(folder.parent / "secret.tif"), "link.tif"):
            assert "outside of" in await refusal("upload", path=outside)
        assert "outside of" in await refusal("save_results", job_id="job_1", into="../elsewhere")
        assert "(not-found)" in await refusal("watch", job_id="job_1")
        assert "'instant', 'fast', 'balanced' or 'paper'" in await refusal(
            "denoise", image_ids=["img_1"], preset="quick"
        )
        assert "image_ids" in await refusal("preflight", image_ids=[])
        image = told(await client.call_tool("upload", {"path": "cells.tif"}))
        assert "sed: " in await refusal("denoise", image_ids=[image["id"]], options={"sed": 1})
        job = told(await client.call_tool("denoise", {"image_ids": [image["id"]], "preset": "paper"}))
        assert "has no result" in await refusal("trust_report", job_id=job["id"])
        assert (
            told(await client.call_tool("watch", {"job_id": job["id"], "wait_s": 0}))["state"] != "succeeded"
        )
        assert told(await client.call_tool("cancel", {"job_id": job["id"]}))["state"] == "cancelled"

    with_tools(keyed, folder, keyed.key, use)


def test_the_command_serves_on_stdio(keyed: KeyedServer, folder: Path) -> None:
    here = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment = {**os.environ, **here, "CLEARSCOPE_SERVER": keyed.url, "CLEARSCOPE_API_KEY": keyed.key}
    command = StdioServerParameters(
        command=CLEARSCOPE, args=["mcp", "--folder", str(folder)], env=environment
    )

    async def use() -> None:
        async with Client(command) as client:
            assert told(await client.call_tool("upload", {"path": "cells.tif"}))["filename"] == "cells.tif"

    anyio.run(use)


def test_over_http_a_request_brings_its_own_key(keyed: KeyedServer, folder: Path) -> None:
    def connect(brought: str | None) -> AsyncClearScope:
        return AsyncClearScope(URL, brought, transport=InProcess(keyed.application))

    tools = agent_server(connect, folder)
    app = tools.streamable_http_app()

    async def upload(key: str | None) -> CallToolResult:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, headers=headers) as http:
            at = streamable_http_client("http://127.0.0.1:8000/mcp", http_client=http)
            async with Client(at) as client:
                return await client.call_tool("upload", {"path": "cells.tif"})

    async def use() -> None:
        async with app.router.lifespan_context(app):
            assert told(await upload(keyed.key))["filename"] == "cells.tif"
            assert "the scopes of this key: read" in text(await upload(keyed.reading_key))
            assert "(unauthenticated)" in text(await upload(None))

    anyio.run(use)


def test_the_command_serves_over_http(keyed: KeyedServer, folder: Path) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/mcp"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("CLEARSCOPE_API_KEY", None)
    options = ["--transport", "http", "--port", str(port), "--server", keyed.url, "--folder", str(folder)]

    async def upload(key: str | None) -> CallToolResult:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http,
            Client(streamable_http_client(address, http_client=http)) as client,
        ):
            return await client.call_tool("upload", {"path": "cells.tif"})

    async def use() -> None:
        assert told(await upload(keyed.key))["filename"] == "cells.tif"
        assert "the scopes of this key: read" in text(await upload(keyed.reading_key))
        assert "(unauthenticated)" in text(await upload(None))

    with subprocess.Popen([CLEARSCOPE, "mcp", *options], env=environment) as serving:
        try:
            wait_for(lambda: listens(port), "the command listens")
            anyio.run(use)
        finally:
            serving.send_signal(signal.SIGINT)
            serving.wait(60)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_key_is_not_lent_to_everybody(folder: Path) -> None:
    options = ("--transport", "http", "--host", "0.0.0.0", "--key", "cs_1")  # noqa: S104  # is refused
    assert "let agents send keys of their own" in clearscope("mcp", "--folder", folder, *options, code=1)


def test_a_folder_is_not_shared_beyond_loopback_by_accident() -> None:
    options = ("--transport", "http", "--host", "0.0.0.0")  # noqa: S104  # is refused
    assert "the folder that is meant with --folder" in clearscope("mcp", *options, code=1)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_pages_of_other_sites_reach_no_tools_on_loopback(
    host: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[dict[str, Any]] = []
    monkeypatch.setattr(MCPServer, "run", lambda _self, _transport, **options: ran.append(options))
    clearscope("mcp", "--folder", folder, "--transport", "http", "--host", host)
    app = MCPServer("tools").streamable_http_app(host=host, transport_security=ran[0]["transport_security"])
    own = f"[{host}]:8080" if ":" in host else f"{host}:8080"

    async def use() -> None:
        transport = httpx2.ASGITransport(app)
        async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport) as http:

            async def status(at: str, **headers: str) -> int:
                return (await http.post(f"http://{at}/mcp", json={}, headers=headers)).status_code

            assert await status(own) == await status(own, origin=f"http://{own}") == 400
            assert await status("rebound.example:8080") == 421
            assert await status(own, origin="http://evil.example") == 403

    anyio.run(use)
