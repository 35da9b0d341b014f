"""What was acknowledged arrives once and in order, whatever ends the process or the server."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import numpy as np
import pytest

from clearscope_client import ClearScope, Conduct, Retries
from clearscope_client.errors import (
    FileUnwritableError,
    FolderBusyError,
    SpoolClosedError,
    SpoolFullError,
)
from clearscope_client.sources import BytesSource
from clearscope_client.spool import Delivered, Posting, Spool
from tests.support.client_transports import URL
from tests.support.fake_server import FakeServer, problem

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


def test_frames_are_sent_in_order_with_what_was_told_of_them(tmp_path: Path) -> None:
    server = FakeServer()
    delivered: list[Delivered] = []
    posting = Posting(microscope="Scope", spec={"preset": "instant"})
    with spooling(tmp_path, server, posting, on_delivered=delivered.append) as spool:
        tickets = [spool.post(frame(number)) for number in range(20)]
        spool.post(np.zeros((8, 8), np.uint8))
        assert spool.wait_until_sent(PATIENCE_S)
    assert contents(server)[:20] == [frame(number).content for number in range(20)]
    assert contents(server)[20].startswith(b"II")
    assert [each.key for each in delivered[:20]] == [each.key for each in tickets]
    assert [server.jobs[each.job_id or ""] for each in delivered] == [each.image_id for each in delivered]


def test_who_waits_for_the_last_image_finds_it_told_as_delivered(tmp_path: Path) -> None:
    told: list[Delivered] = []
    telling, may_tell = threading.Event(), threading.Event()

    def tell_late(delivered: Delivered) -> None:
        telling.set()
        may_tell.wait(PATIENCE_S)
        told.append(delivered)

    with spooling(tmp_path, FakeServer(), on_delivered=tell_late) as spool:
        spool.post(frame(0))
        assert telling.wait(PATIENCE_S)
        assert not spool.wait_until_sent(0)
        may_tell.set()
        assert spool.wait_until_sent(PATIENCE_S)
        assert len(told) == 1


def test_what_waits_is_sent_by_the_next_spool(tmp_path: Path) -> None:
    with spooling(tmp_path, away) as spool:
        for number in range(5):
            spool.post(frame(number), key=f"frame {number}")
        assert spool.waiting == 5
        assert spool.waiting_bytes == 5 * 7
    server = FakeServer()
    with spooling(tmp_path, server) as spool:
        assert spool.wait_until_sent(PATIENCE_S)
        # A program that does not know whether it was acknowledged may post again.
        assert spool.post(frame(0), key="frame 0").number == 1
        assert spool.post(frame(5), key="frame 5").number == 6
        assert spool.wait_until_sent(PATIENCE_S)
    assert contents(server) == [frame(number).content for number in range(6)]
    assert {path.name for path in tmp_path.glob("[!.]*")} == {"delivered.jsonl"}


def test_lost_answers_make_no_second_image_or_job(tmp_path: Path) -> None:
    server, random = FakeServer(), Random(0)  # noqa: S311  # no secret

    def losing(request: httpx2.Request) -> httpx2.Response:
        answer = server(request)
        if random.random() < 0.5:
            raise httpx2.ReadError("reset")
        return answer

    with spooling(tmp_path, losing, Posting(spec={})) as spool:
        for number in range(30):
            spool.post(frame(number))
        assert spool.wait_until_sent(PATIENCE_S)
    assert contents(server) == [frame(number).content for number in range(30)]
    assert len(server.jobs) == 30


@pytest.mark.parametrize(
    "answer",
    [
        problem(401, "unauthenticated", "no key"),
        problem(403, "storage-quota-exceeded", "full"),
        problem(500, "x", ""),
    ],
)
def test_what_is_not_the_images_fault_holds_all(tmp_path: Path, answer: httpx2.Response) -> None:
    server, refusals = FakeServer(), iter([answer] * 4)
    told: list[str] = []
    with spooling(
        tmp_path, lambda request: next(refusals, None) or server(request), tell=told.append
    ) as spool:
        for number in range(3):
            spool.post(frame(number))
        assert spool.wait_until_sent(PATIENCE_S)
    assert contents(server) == [frame(number).content for number in range(3)]
    assert len(told) == 1


def test_an_image_that_is_refused_is_kept_with_the_reason_and_holds_nobody_up(tmp_path: Path) -> None:
    server = FakeServer(refuses=frame(1).content)
    told: list[str] = []
    with spooling(tmp_path, server, tell=told.append) as spool:
        for number in range(3):
            spool.post(frame(number), key=f"frame {number}")
        assert spool.wait_until_sent(PATIENCE_S)
    assert contents(server) == [frame(0).content, frame(2).content]
    refused = tmp_path / "refused"
    assert (refused / "000000000002.data").read_bytes() == frame(1).content
    assert "this is no image" in (refused / "000000000002.error.txt").read_text("utf-8")
    assert "it is kept in" in told[0]
    for path in refused.iterdir():
        path.rename(tmp_path / path.name)
    server.refuses = None
    with spooling(tmp_path, server) as spool:
        assert spool.wait_until_sent(PATIENCE_S)
    assert contents(server)[2] == frame(1).content


def test_an_image_that_is_damaged_while_it_waits_is_put_aside_without_a_job(tmp_path: Path) -> None:
    with spooling(tmp_path, away, Posting(spec={})) as spool:
        for number in range(2):
            spool.post(frame(number))
    (tmp_path / "000000000001.data").write_bytes(b"fr*me 0")
    server, told, delivered = FakeServer(), list[str](), list[Delivered]()
    with spooling(tmp_path, server, tell=told.append, on_delivered=delivered.append) as spool:
        assert spool.wait_until_sent(PATIENCE_S)
    assert [each.number for each in delivered] == [2]
    assert len(server.jobs) == 1
    assert "damaged it while it waited" in told[0]
    assert (tmp_path / "refused" / "000000000001.data").read_bytes() == b"fr*me 0"


def test_a_full_spool_refuses_or_waits(tmp_path: Path) -> None:
    with spooling(tmp_path / "a", away, limit_bytes=20, when_full="raise") as spool:
        for number in range(2):
            spool.post(frame(number))
        with pytest.raises(
            SpoolFullError, match="2 images of 14 bytes wait to be sent, and there is room for 20"
        ):
            spool.post(frame(2))
        with pytest.raises(SpoolFullError, match="21 bytes, more than the spool may hold"):
            spool.post(BytesSource("large", b"x" * 21))
    server, is_open = FakeServer(), threading.Event()

    def behind_a_gate(request: httpx2.Request) -> httpx2.Response:
        is_open.wait()
        return server(request)

    with spooling(tmp_path / "b", behind_a_gate, limit_bytes=20) as spool:
        for number in range(2):
            spool.post(frame(number))
        with pytest.raises(SpoolFullError):
            spool.post(frame(2), timeout_s=0)
        waiting = threading.Thread(target=lambda: [spool.post(frame(number)) for number in range(2, 10)])
        waiting.start()
        assert spool.waiting_bytes <= 20
        is_open.set()
        waiting.join(PATIENCE_S)
        assert spool.wait_until_sent(PATIENCE_S)
    assert contents(server) == [frame(number).content for number in range(10)]


def test_a_disk_without_room_acknowledges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with spooling(tmp_path, away) as spool:
        spool.post(frame(0))
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", no_room)
            with pytest.raises(FileUnwritableError, match="No space left"):
                spool.post(frame(1), key="again")
        assert spool.waiting == 1
        spool.post(frame(1), key="again")
        assert spool.waiting == 2
    with pytest.raises(SpoolClosedError):
        spool.post(frame(2))


def test_a_disk_without_room_for_the_note_of_a_delivery_holds_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, told = FakeServer(), list[str]()
    is_open, full = threading.Event(), iter(range(3))
    fsync = os.fsync

    def behind_a_gate(request: httpx2.Request) -> httpx2.Response:
        is_open.wait()
        return server(request)

    def full_at_first(descriptor: int) -> None:
        if next(full, None) is not None:
            no_room(descriptor)
        fsync(descriptor)

    with spooling(tmp_path, behind_a_gate, tell=told.append) as spool:
        for number in range(2):
            spool.post(frame(number))
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", full_at_first)
            is_open.set()
            assert spool.wait_until_sent(PATIENCE_S)
    assert contents(server) == [frame(0).content, frame(1).content]
    assert told == ["the spool's folder cannot be written: No space left on device; 2 images wait"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_of_the_program_ends_sending_and_is_told(tmp_path: Path) -> None:
    def fail(_: Delivered) -> None:
        raise ValueError("a bug of the program")

    told: list[str] = []
    server = FakeServer()
    with spooling(tmp_path, server, on_delivered=fail, tell=told.append) as spool:
        for number in range(3):
            spool.post(frame(number))
        with pytest.raises(SpoolClosedError, match="a bug of the program"):
            spool.wait_until_sent(PATIENCE_S)
    assert told[0].startswith("sending has ended: ValueError('a bug of the program'); ")
    with spooling(tmp_path, server) as spool:
        assert spool.wait_until_sent(PATIENCE_S)
    assert contents(server) == [frame(number).content for number in range(3)]


def no_room(_: int) -> None:
    raise OSError(28, "No space left on device")


class PowerCutError(BaseException):
    """Ends the process, as far as the files are concerned."""


class Disk:
    """What a power cut leaves in a folder: half of each file and none of the names that were not flushed.

    `cut_at`: number of the flush or renaming that does not take place any more.
    """

    def __init__(self, folder: Path, cut_at: int, patched: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._cut_at = cut_at
        self._steps = 0
        self._flushed = set(folder.iterdir())
        self._renamed: dict[Path, Path] = {}
        self._fsync, self._replace = os.fsync, Path.replace
        patched.setattr(os, "fsync", self.fsync)
        # A bound method would not get the path.
        patched.setattr(Path, "replace", lambda path, target: self.replace(path, target))  # noqa: PLW0108
        # Whoever is cut off from power cleans nothing up.
        patched.setattr(Path, "unlink", lambda *_, **__: None)

    def fsync(self, descriptor: int) -> None:
        self._step()
        self._fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path == self._folder:
            self._renamed.clear()
        self._flushed.add(path)

    def replace(self, path: Path, target: Path) -> Path:
        self._step()
        self._renamed[target] = path
        if path in self._flushed:
            self._flushed.add(target)
        return self._replace(path, target)

    def lose(self) -> None:
        for path in set(self._folder.iterdir()) - self._flushed:
            os.truncate(path, path.stat().st_size // 2)
        for target, path in self._renamed.items():
            self._replace(target, path)

    def _step(self) -> None:
        if self._steps == self._cut_at:
            raise PowerCutError
        self._steps += 1


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


def test_files_of_others_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    others = {"notes.json": "{}", "a.part": "half", "measured.data": "1 2 3"}
    for name, text in others.items():
        (tmp_path / name).write_text(text)
    server = FakeServer()
    for number in range(2):
        with spooling(tmp_path, server) as spool:
            spool.post(frame(number))
            assert spool.wait_until_sent(PATIENCE_S)
    assert len(contents(server)) == 2
    assert {name: (tmp_path / name).read_text() for name in others} == others


def test_two_processes_do_not_share_a_spool(tmp_path: Path) -> None:
    with spooling(tmp_path, away), pytest.raises(FolderBusyError), spooling(tmp_path, away):
        pass


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
