"""A watched folder: what is sent, when, how often, and what is told of the rest."""

import os
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from clearscope_client import AsyncClearScope
from clearscope_client.exclusive import exclusively
from clearscope_client.hot_folder import HotFolder
from tests.support.client_transports import URL
from tests.support.watched_folder import Acquisition


def test_a_thousand_files_at_once_are_each_sent_once(
    acquisition: Acquisition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # it would take most of the time
    acquisition.pause_s = 0.2
    for number in range(1000):
        acquisition.drop(f"frame {number}.tif", b"%d" % number)
    acquisition.watch()
    assert acquisition.results() == {f"frame {n}.tif": b"denoised %d" % n for n in range(1000)}
    assert acquisition.server.calls["POST /v1/images"] == acquisition.server.calls["POST /v1/jobs"] == 1000
    acquisition.watch()
    assert acquisition.server.calls["POST /v1/images"] == 1000, "after a restart, nothing is sent again"


def test_no_more_than_the_limit_are_in_flight(acquisition: Acquisition) -> None:
    in_flight, most, full = 0, 0, anyio.Event()

    async def denoise(request: httpx2.Request) -> httpx2.Response:
        nonlocal in_flight, most
        if request.url.path == "/v1/images":
            in_flight += 1
            most = max(most, in_flight)
            if in_flight == 3:
                full.set()
            # However slow the machine is.
            with anyio.move_on_after(10):
                await full.wait()
            await anyio.sleep(0.005)
        if request.url.path.startswith("/v1/artifacts/"):
            in_flight -= 1
        return acquisition.server(request)

    acquisition.transport = denoise  # type: ignore[assignment]  # asynchronous, which the transport takes too
    for number in range(12):
        acquisition.drop(f"{number}.tif", b"%d" % number)
    acquisition.watch(in_flight=3)
    assert most == 3
    assert len(acquisition.results()) == 12


def test_a_file_that_grows_is_sent_when_it_has_stopped(acquisition: Acquisition) -> None:
    growing = acquisition.drop("growing.tif", b"0")

    def grow(look: int) -> None:
        if look <= 8 and look % 2 == 0:
            with growing.open("ab") as file:
                file.write(b"%d" % look)

    acquisition.during = grow
    acquisition.watch()
    assert list(acquisition.server.images.values()) == [b"02468"]
    assert acquisition.looks >= 8 + 3


def test_a_set_is_one_image_when_its_last_file_is_there(acquisition: Acquisition) -> None:
    acquisition.drop("run/a.ome.tif", b"first")

    def add(look: int) -> None:
        if look == 2:
            acquisition.drop("run/below/b.ome.tif", b"second")

    acquisition.during = add
    acquisition.watch()
    (archive,) = acquisition.server.images.values()
    assert b"first" in archive
    assert b"second" in archive
    assert list(acquisition.server.names.values()) == ["run.zip"]
    assert "run.zip" in acquisition.results()


def test_a_file_that_vanishes_is_no_failure(acquisition: Acquisition) -> None:
    acquisition.drop("a.tif", b"a")
    doomed = acquisition.drop("doomed.tif", b"doomed")
    acquisition.during = lambda look: doomed.unlink(missing_ok=True) if look == 2 else None
    acquisition.watch()
    assert set(acquisition.results()) == {"a.tif"}


def test_what_is_refused_is_told_beside_the_results_and_tried_again_on_request(
    acquisition: Acquisition,
) -> None:
    acquisition.server.refuses = b"broken"
    acquisition.drop("broken.tif", b"broken")
    acquisition.drop("notes.txt", b"notes")
    for _ in range(2):
        acquisition.watch()
    assert acquisition.results() == {
        "broken.tif.error.txt": b"broken.tif: image-corrupt: this is no image\n"
    } or (b"image-corrupt: this is no image" in acquisition.results()["broken.tif.error.txt"])
    assert acquisition.server.calls["POST /v1/images"] == 1
    assert acquisition.lines.count("notes.txt: is no image file by its name; left alone") == 2
    acquisition.server.refuses = None
    (acquisition.output / "broken.tif.error.txt").unlink()
    acquisition.watch()
    assert set(acquisition.results()) == {"broken.tif"}


def test_an_unreadable_file_is_told_and_sent_once_it_can_be_read(
    acquisition: Acquisition, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquisition.drop("locked.tif", b"locked")
    opened = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "locked.tif":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        acquisition.watch()
    assert (
        "Permission denied; it is sent once it can be read"
        in acquisition.results()["locked.tif.error.txt"].decode()
    )
    acquisition.watch()
    assert acquisition.results() == {"locked.tif": b"denoised locked"}


def test_results_within_the_watched_folder_are_no_sources(acquisition: Acquisition) -> None:
    acquisition.drop("a.tif", b"a")
    acquisition.drop(".hidden.tif", b"hidden")
    acquisition.drop("copying.tif.part", b"half")
    output = acquisition.incoming / "denoised"

    async def watch() -> None:
        transport = httpx2.MockTransport(acquisition.server)
        async with AsyncClearScope(URL, transport=transport) as client:
            await HotFolder(acquisition.incoming, output, client, settle_s=0, poll_s=0).watch(once=True)

    for _ in range(2):
        anyio.run(watch)
    assert len(acquisition.server.images) == 1
    assert (output / "a.tif").read_bytes() == b"denoised a"


def test_results_of_another_watch_and_frames_of_a_spool_are_no_sources(acquisition: Acquisition) -> None:
    acquisition.drop("a.tif", b"a")
    for other in ("denoised/instant", "spool"):
        folder = acquisition.incoming / other
        folder.mkdir(parents=True)
        with exclusively(folder):
            (folder / "a.tif").write_bytes(b"of another program")
    for recursive in (False, True):
        acquisition.watch(recursive=recursive)
    assert list(acquisition.server.images.values()) == [b"a"]


def test_what_file_managers_add_does_not_make_a_set_another_image(acquisition: Acquisition) -> None:
    acquisition.drop("run/a.ome.tif", b"first")
    acquisition.watch()
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._a.ome.tif"):
        acquisition.drop(f"run/{name}", b"of a file manager")
        acquisition.drop(f"nothing else/{name}", b"of a file manager")
    acquisition.watch()
    (archive,) = acquisition.server.images.values()
    assert b"of a file manager" not in archive
    assert set(acquisition.results()) == {"run.zip"}


@pytest.mark.parametrize("recursive", [False, True])
def test_a_folder_that_may_not_be_entered_holds_nobody_up(
    acquisition: Acquisition, monkeypatch: pytest.MonkeyPatch, *, recursive: bool
) -> None:
    acquisition.drop("a.tif", b"a")
    acquisition.drop("closed/b.tif", b"b")
    statted = Path.stat

    def refuse(path: Path, **options: Any) -> Any:
        if path.parent.name == "closed":
            raise PermissionError(13, "Permission denied")
        return statted(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(Path, "lstat", lambda path: refuse(path, follow_symlinks=False))
    acquisition.watch(recursive=recursive)
    assert acquisition.results()["a.tif"] == b"denoised a"
    assert any("Permission denied; it is sent once it can be read" in line for line in acquisition.lines)


def test_a_folder_that_is_not_there_yet_is_waited_for(acquisition: Acquisition) -> None:
    acquisition.incoming.rmdir()

    def add(look: int) -> None:
        if look == 5:
            assert not acquisition.output.exists(), "it may lie on the same share"
            acquisition.incoming.mkdir()
            acquisition.drop("a.tif", b"a")

    acquisition.during = add
    acquisition.watch()
    assert acquisition.lines[0] == f"there is no folder {acquisition.incoming}; waiting for it"
    assert acquisition.results() == {"a.tif": b"denoised a"}


def test_an_error_of_the_program_is_told_of_its_image_alone(acquisition: Acquisition) -> None:
    acquisition.drop("a.tif", b"a")
    acquisition.drop("odd.tif", b"odd")

    def fail(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST" and request.content == b"odd":
            raise RuntimeError("nobody thought of this")
        return acquisition.server(request)

    acquisition.transport = fail
    acquisition.watch()
    results = acquisition.results()
    assert results["a.tif"] == b"denoised a"
    assert b"nobody thought of this" in results["odd.tif.error.txt"]
    acquisition.transport = None
    (acquisition.output / "odd.tif.error.txt").unlink()
    acquisition.watch()
    assert set(acquisition.results()) == {"a.tif", "odd.tif"}


def test_an_unreadable_file_that_goes_away_leaves_no_error_file(
    acquisition: Acquisition, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = acquisition.drop("locked.tif", b"locked")
    acquisition.drop("growing.tif", b"0")
    opened = Path.open
    seen: list[bool] = []

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "locked.tif":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    def take_away(look: int) -> None:
        if look == 8:
            seen.append("locked.tif.error.txt" in acquisition.results())
            locked.unlink()
        if look < 12:  # so that the watch goes on
            acquisition.drop("growing.tif", b"0" * look)

    monkeypatch.setattr(Path, "open", refuse)
    acquisition.during = take_away
    acquisition.watch()
    assert seen == [True]
    assert set(acquisition.results()) == {"growing.tif"}


def test_files_that_are_renamed_or_deleted_while_others_are_sent(acquisition: Acquisition) -> None:
    for name in ("a.tif", "b.tif", "c.tif", "folder/d.tif"):
        acquisition.drop(name, name.encode())

    def change(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST" and not acquisition.server.images:
            (acquisition.incoming / "b.tif").rename(acquisition.incoming / "renamed.tif")
            (acquisition.incoming / "c.tif").unlink()
            (acquisition.incoming / "folder").rename(acquisition.incoming / "other folder")
        return acquisition.server(request)

    acquisition.transport = change
    acquisition.watch(in_flight=1)
    assert set(acquisition.results()) == {"a.tif", "renamed.tif", "other folder.zip"}
    assert len(acquisition.server.images) == 3
    assert {line for line in acquisition.lines if "has gone" in line} == {
        f"{name}: has gone before it was sent" for name in ("b.tif", "c.tif", "folder")
    }
