"""What a spool sends, in which order, what holds it up, and what is told."""

import os
import threading
from pathlib import Path
from random import Random

import httpx2
import numpy as np
import pytest

from clearscope_client.errors import (
    FileUnwritableError,
    FolderBusyError,
    SpoolClosedError,
    SpoolFullError,
)
from clearscope_client.sources import BytesSource
from clearscope_client.spool import Delivered, Posting
from tests.support.fake_server import FakeServer, problem
from tests.support.spools import PATIENCE_S, away, contents, frame, spooling


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
