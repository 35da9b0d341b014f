"""What a spool acknowledged arrives once and in order after power cuts and kills."""

import hashlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import httpx2
import pytest

from clearscope_client import ClearScope
from clearscope_client.spool import Spool
from tests.support.client_transports import URL
from tests.support.fake_server import FakeServer
from tests.support.power_cut import Disk, PowerCutError
from tests.support.spools import PATIENCE_S, away, contents, frame, spooling


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
@pytest.mark.parametrize("cut_at", range(6))
def test_a_power_cut_at_any_step_loses_nothing_that_was_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_at: int
) -> None:
    """A post has five flushes and renamings; the last cut comes right after it has returned."""
    folder = tmp_path / "spool"
    with spooling(folder, away) as spool:
        spool.post(frame(0))
        acknowledged = [frame(0).content]
        with monkeypatch.context() as patched:
            disk = Disk(folder, cut_at, patched)
            try:
                spool.post(frame(1))
            except PowerCutError:
                pass
            else:
                acknowledged.append(frame(1).content)
            disk.lose()
    server = FakeServer()
    with spooling(folder, server) as spool:
        assert spool.wait_until_sent(PATIENCE_S)
    assert contents(server) == acknowledged
    assert (len(acknowledged) == 2) == (cut_at == 5)


POSTING = """
import sys
from pathlib import Path
from clearscope_client import ClearScope, Conduct, Retries
from clearscope_client.sources import BytesSource
from clearscope_client.spool import Posting, Spool

folder, url, first = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
conduct = Conduct(url, Retries(outage_s=0, first_contact_s=0))
client = ClearScope(url, conduct=conduct)
with client, Spool(folder, client, Posting(spec={}), hold_s=0.01) as spool:
    print("ready", flush=True)
    for number in range(first, first + 100_000):
        content = f"frame {number} ".encode() * 1000
        spool.post(BytesSource(f"{number}.tif", content))
        print(number, flush=True)
"""


def test_killed_at_random_each_acknowledged_frame_arrives_once_and_in_order(tmp_path: Path) -> None:
    server, random = FakeServer(), Random(1)  # noqa: S311  # no secret
    acknowledged: list[int] = []
    with listening(server) as url:
        for _ in range(3):
            first = max(acknowledged, default=-1) + 2  # the number of a frame in flight is not used again
            with subprocess.Popen(
                [sys.executable, "-c", POSTING, str(tmp_path), url, str(first)],
                stdout=subprocess.PIPE,
                text=True,
            ) as posting:
                assert posting.stdout is not None
                assert posting.stdout.readline() == "ready\n"
                acknowledged += [int(posting.stdout.readline()) for _ in range(5)]
                time.sleep(random.uniform(0, 0.1))  # it is killed at any moment
                posting.send_signal(signal.SIGKILL)
                acknowledged += [int(line) for line in posting.stdout.read().split("\n")[:-1]]
        with ClearScope(url) as client, Spool(tmp_path, client, hold_s=0.01) as spool:
            assert spool.wait_until_sent(PATIENCE_S)
    sent = [int(content.split()[1]) for content in contents(server)]
    assert sent == sorted(set(sent))
    assert set(acknowledged) <= set(sent)
    assert len(set(sent) - set(acknowledged)) <= 3, "at most the frame that was in flight at each kill"
    assert all(
        content == f"frame {number} ".encode() * 1000
        for number, content in zip(sent, contents(server), strict=True)
    )
    assert len(server.jobs) == len(sent)
    assert len({hashlib.sha256(content).digest() for content in contents(server)}) == len(sent)


@contextmanager
def listening(server: FakeServer) -> Iterator[str]:
    """Serve on a free port of this machine."""
    lock = threading.Lock()

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            size_bytes = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(size_bytes)
            if len(body) < size_bytes:  # whoever sent it was killed
                self.close_connection = True
                return
            request = httpx2.Request(
                self.command, URL + self.path, headers=list(self.headers.items()), content=body
            )
            with lock:
                answer = server(request)
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET  # noqa: N815  # the base class asks for it

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
