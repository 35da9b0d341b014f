"""Spools over a server in memory, and frames for them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from clearscope_client import ClearScope, Conduct, Retries
from clearscope_client.sources import BytesSource
from clearscope_client.spool import Posting, Spool
from tests.support.client_transports import URL
from tests.support.fake_server import FakeServer

AT_ONCE = Retries(outage_s=0, first_contact_s=0)
PATIENCE_S = 60.0

Handler = Callable[[httpx2.Request], httpx2.Response]


@contextmanager
def spooling(
    folder: Path, server: Handler, posting: Posting | None = None, **options: Any
) -> Iterator[Spool]:
    client = ClearScope(URL, conduct=Conduct(URL, AT_ONCE), transport=httpx2.MockTransport(server))
    with client, Spool(folder, client, posting, **{"hold_s": 0.001, **options}) as spool:
        yield spool


def away(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("refused")


def frame(number: int) -> BytesSource:
    return BytesSource(f"frame {number}.tif", b"frame %d" % number)


def contents(server: FakeServer) -> list[bytes]:
    return list(server.images.values())
