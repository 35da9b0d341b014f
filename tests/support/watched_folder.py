"""A watched folder with a server in memory and a time of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2

from clearscope_client import AsyncClearScope, Conduct, Retries
from clearscope_client.hot_folder import HotFolder, Recipe
from tests.support.client_transports import URL
from tests.support.fake_server import FakeServer

FOR_EVER = Retries(outage_s=float("inf"), first_contact_s=float("inf"), first_pause_s=0, poll_s=0)


@dataclass
class Acquisition:
    """A folder in which files appear, and a time that only pauses of the watch move on."""

    folder: Path
    server: FakeServer = field(default_factory=FakeServer)
    transport: Callable[[httpx2.Request], httpx2.Response] | None = None
    lines: list[str] = field(default_factory=list)
    now_s: float = 0.0
    looks: int = 0
    pause_s: float = 0.001
    during: Callable[[int], None] = lambda _: None
    """Called at each pause with its number."""

    @property
    def incoming(self) -> Path:
        return self.folder / "incoming"

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def drop(self, name: str, content: bytes) -> Path:
        path = self.incoming / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def watch(self, **options: Any) -> None:
        """Watch until all is dealt with."""

        async def sleep(seconds: float) -> None:
            self.now_s += seconds
            self.looks += 1
            self.during(self.looks)
            await anyio.sleep(self.pause_s)

        async def watch() -> None:
            transport = httpx2.MockTransport(self.transport or self.server)
            conduct = Conduct(URL, FOR_EVER, on_outage=lambda outage: self.lines.append(outage.reason))
            async with AsyncClearScope(URL, conduct=conduct, transport=transport) as client:
                told: dict[str, Any] = {
                    "recipe": Recipe("Scope", spec={"preset": "instant"}),
                    "tell": self.lines.append,
                    "sleep": sleep,
                    "monotonic_s": lambda: self.now_s,
                    "poll_s": 1.0,
                    "settle_s": 3.0,
                    **options,
                }
                await HotFolder(self.incoming, self.output, client, **told).watch(once=True)

        anyio.run(watch)

    def results(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.output.glob("[!.]*") if path.suffix != ".jsonl"}
